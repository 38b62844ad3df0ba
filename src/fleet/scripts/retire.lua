-- retire.lua: a node will never send again. Its values stay in the sums; what it sent is no longer needed to find
-- out what is new of it, and goes.
--
-- KEYS 1 own (hash, see merge.lua).

local found = redis.call('TYPE', KEYS[1]).ok
if found ~= 'none' and found ~= 'hash' then return { 'TYPE', KEYS[1], found } end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], '#forgotten', 1)
return { 'OK' }
