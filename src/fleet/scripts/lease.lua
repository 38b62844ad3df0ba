-- lease.lua: one process speaks for a node.
--
-- KEYS 1 lease (string: owner). ARGV 1 owner, 2 milliseconds; 0 is for ever. Answers the owner that holds it now
-- and for how many milliseconds (-1: for ever).

local found = redis.call('TYPE', KEYS[1]).ok
if found ~= 'none' and found ~= 'string' then return { 'TYPE', KEYS[1], found } end
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return { 'OK', owner, redis.call('PTTL', KEYS[1]) } end
if ARGV[2] == '0' then
  redis.call('SET', KEYS[1], ARGV[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return { 'OK', ARGV[1], tonumber(ARGV[2]) }
