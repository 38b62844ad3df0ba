-- carry.lua: people whose id of today lies in another part than that of yesterday.
--
-- KEYS  1 here, 2 left, 3 idle (zsets): see touch.lua. ARGV 1 "ask" or "drop", 2.. ids of yesterday.
-- Asked, it answers the three scores of every id in a row, empty where there is none. The scores go into the part
-- of today first and are dropped here afterwards, so that a node that dies in between leaves somebody twice for a
-- while and never nowhere.

for _, key in ipairs(KEYS) do
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= 'zset' then return { 'TYPE', key, found } end
end

local ids = { unpack(ARGV, 2) }
local answer = {}
for place, key in ipairs(KEYS) do
  if ARGV[1] == 'drop' then
    redis.call('ZREM', key, unpack(ids))
  else
    local scores = redis.call('ZMSCORE', key, unpack(ids))
    for n = 1, #ids do answer[3 * (n - 1) + place] = scores[n] or '' end
  end
end
return { 'OK', answer }
