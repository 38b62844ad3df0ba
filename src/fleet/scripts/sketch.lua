-- sketch.lua: the visitors of a day, as the union of what the nodes saw.
--
-- KEYS 1 sketch (hash: number, bytes), 2 changed (zset), 3 meta (hash)
-- ARGV 1 the number that the node merged its own with, 2 the merged bytes, 3 the row, 4 seconds to live
-- Answers "1" when it was taken; else somebody was faster, and number and bytes as they are now. Without
-- bytes it only asks.

local KINDS = { 'hash', 'zset', 'hash' }
for place, key in ipairs(KEYS) do
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= KINDS[place] then return { 'TYPE', key, found } end
end
local number = tonumber(redis.call('HGET', KEYS[1], 'number') or 0)
if ARGV[2] == '' or number ~= tonumber(ARGV[1]) then
  return { 'OK', 0, string.format('%.0f', number), redis.call('HGET', KEYS[1], 'bytes') or '' }
end
-- Numbered by time, so that a number which a failover took back never comes again.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local version = math.max(tonumber(redis.call('HGET', KEYS[3], 'version') or 0), now) + 1
redis.call('HSET', KEYS[1], 'number', string.format('%.0f', version), 'bytes', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('ZADD', KEYS[2], string.format('%.0f', version), ARGV[3])
redis.call('HSET', KEYS[3], 'version', string.format('%.0f', version))
return { 'OK', 1, string.format('%.0f', version), '' }
