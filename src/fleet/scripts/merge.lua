-- merge.lua: one node's values of one site go in, what others changed comes out.
--
-- KEYS  1 meta (hash: version, minutes, epoch)  what the site's changes are numbered by; "removed" ends the site
--       2 sums (hash: row -> values)        the sum over all nodes
--       3 own (hash: row -> values, #...)   what this node sent, and up to which of its sequences; "#forgotten"
--                                           stands for a node that may not send any more
--       4 changed (zset: row by version)    which row changed when
--       5 here, 6 idle (zset)               who is online: see touch.lua
--       7.. pairs of sums and own of a day's details, which no footer shows
-- ARGV  1 base      the sequence that the node knows to be acknowledged
--       2 top       the node's present sequence
--       3 mark      the sequence that this message completes
--       4 since     the version up to which the node knows the sums; -1: it does not ask
--       5 limit     rows of others to answer with, at most
--       6 minutes   minute rows before this one are dropped
--       7 online    whoever was here at this moment or later is online
--       8 details   seconds that a day's details live after their last change
--       9 after     the name of the message that this one continues; empty for the first
--       10 name     the name of this message, if another continues it; else empty
--       11.. triples: pair (0 the site, 1 the first pair of details, ...), row, values
--
-- Values are whole numbers in a row, and each only grows: a lower one is old and changes nothing, so a
-- message may be lost, doubled or late. A row that begins with "^" is a maximum instead of a sum.
-- One exchange may need several messages. Only the last completes the sequence, so each says which one it
-- continues: a store that lost that one in between says so.
-- Sums, and what of them is known to be a node's own, belong together by the epoch that began with the sums.
-- Where one of them is gone, all is sent anew.
-- Everything is checked before the first write, for a script that fails keeps what it wrote.

local SETS = { [4] = true, [5] = true, [6] = true }
for place, key in ipairs(KEYS) do
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= (SETS[place] and 'zset' or 'hash') then
    return { 'TYPE', key, found }
  end
end

local meta, sums, own, changed = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local base, top, mark = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local since, limit, minutes = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])

-- An operator's word is final, and lies where the values lie, so that no failover parts them.
local about = redis.call('HMGET', meta, 'version', 'removed', 'epoch')
if about[2] then return { 'REMOVED' } end
local known = redis.call('HMGET', own, '#sequence', '#forgotten', '#message', '#epoch')
if known[2] then return { 'FORGOTTEN' } end
local held, epoch = tonumber(known[1] or 0), about[3]
if epoch and redis.call('EXISTS', sums, changed) < 2 or not epoch and redis.call('EXISTS', sums) == 1 then
  redis.call('HDEL', meta, 'epoch')
  redis.call('DEL', sums)
  epoch = false
end
if known[4] and known[4] ~= epoch then
  redis.call('DEL', own)
  return { 'BEHIND', 0 }
end
-- The sums remember who sent. What they hold of a node of which nothing else is known cannot be told apart.
local sender = '#' .. string.match(own, '[^:]*$')
if epoch and not known[4] and redis.call('HGET', sums, sender) then
  redis.call('HDEL', meta, 'epoch')
  redis.call('DEL', sums, own)
  return { 'BEHIND', 0 }
end
if held < base or ARGV[9] ~= '' and ARGV[9] ~= known[3] then return { 'BEHIND', held } end
if held > top then return { 'AHEAD', held } end

local function split(text)
  local values = {}
  for value in string.gmatch(text or '', '%d+') do values[#values + 1] = tonumber(value) end
  return values
end

local function join(values)
  local text = {}
  for place, value in ipairs(values) do text[place] = string.format('%.0f', value) end
  return table.concat(text, ' ')
end

-- Takes what `is` has more than `was`, and adds it to `all`. Says whether there was any.
local function grow(was, is, all)
  local grew = false
  for place, value in ipairs(is) do
    was[place], all[place] = was[place] or 0, all[place] or 0
    if value > was[place] then
      all[place] = all[place] + value - was[place]
      was[place] = value
      grew = true
    end
  end
  return grew
end

-- The same in few steps for rows of one value or two, as nearly all are. Gives what is the node's own and the
-- sum, if there was any, and whether the row was such a one.
local PAIR = '^(%d*) ?(%d*)$'
local function grow_pair(was, is, all)
  local was_a, was_b = string.match(was, PAIR)
  local is_a, is_b = string.match(is, PAIR)
  local all_a, all_b = string.match(all, PAIR)
  if not (was_a and is_a and all_a) then return nil, nil, false end
  local single = was_b == '' and is_b == '' and all_b == ''
  was_a, is_a, all_a = tonumber(was_a) or 0, tonumber(is_a) or 0, tonumber(all_a) or 0
  was_b, is_b, all_b = tonumber(was_b) or 0, tonumber(is_b) or 0, tonumber(all_b) or 0
  if is_a <= was_a and is_b <= was_b then return nil, nil, true end
  local own_a, own_b = math.max(was_a, is_a), math.max(was_b, is_b)
  all_a, all_b = all_a + own_a - was_a, all_b + own_b - was_b
  if single then return string.format('%.0f', own_a), string.format('%.0f', all_a), true end
  return string.format('%.0f %.0f', own_a, own_b), string.format('%.0f %.0f', all_a, all_b), true
end

-- So much is sent of busy sites alone; and more than the 64 bytes that keep a hash small.
local MANY, LONG = 128, string.rep('-', 65)

-- What a node had, what it has and what all have of one row become what it has and what all have; nothing
-- when it brings nothing.
local function merged(row, was, is, all)
  if is == was then return end
  if string.sub(row, 1, 1) ~= '^' then
    local own_now, all_now, done = grow_pair(was, is, all)
    if done then return own_now, all_now end
    local mine, sum = split(was), split(all)
    if grow(mine, split(is), sum) then return join(mine), join(sum) end
    return
  end
  -- Of two equal maxima the earlier, so that all nodes come to show the same.
  local value, sum = split(is), split(all)
  local most = sum[1] or 0
  if value[1] > most or value[1] == most and most > 0 and (value[2] or 0) < (sum[2] or 0) then
    return join(value), join(value)
  end
end

-- What others changed, before this message changes anything.
local names, newest = {}, tonumber(about[1] or 0)
local more = 0
if since >= 0 then
  local rows = redis.call('ZRANGEBYSCORE', changed, '(' .. string.format('%.0f', since), '+inf',
    'WITHSCORES', 'LIMIT', 0, limit)
  for place = 1, #rows, 2 do names[#names + 1] = rows[place] end
  if #names == limit then more, since = 1, tonumber(rows[#rows]) end
end

-- Minutes that no window shows any more. A node drops its own of them, and the first to come the sums.
local function drop_minutes(hash, field, of_sums)
  local from = tonumber(redis.call('HGET', of_sums and meta or hash, field) or minutes)
  local to = math.min(minutes, from + 500)
  local old = {}
  for minute = from, to - 1 do old[#old + 1] = string.format('m:%.0f', minute) end
  if #old > 0 then
    redis.call('HDEL', hash, unpack(old))
    if of_sums then redis.call('ZREM', changed, unpack(old)) end
  end
  redis.call('HSET', of_sums and meta or hash, field, string.format('%.0f', to))
end

-- What this message brings, by pair of hashes.
local pairs_of = {}
for place = 11, #ARGV, 3 do
  local pair, row = tonumber(ARGV[place]), ARGV[place + 1]
  local minute = tonumber(string.match(row, '^m:(%d+)$') or minutes)
  if minute >= minutes then
    pairs_of[pair] = pairs_of[pair] or { rows = {}, values = {} }
    local message = pairs_of[pair]
    message.rows[#message.rows + 1] = row
    message.values[#message.values + 1] = ARGV[place + 2]
  end
end

local clock = redis.call('TIME')
local version = math.max(newest, tonumber(clock[1]) * 1000000 + tonumber(clock[2]))
for pair, message in pairs(pairs_of) do
  local sums_key = pair == 0 and sums or KEYS[5 + 2 * pair]
  local own_key = pair == 0 and own or KEYS[6 + 2 * pair]
  local was = redis.call('HMGET', own_key, unpack(message.rows))
  local all = redis.call('HMGET', sums_key, unpack(message.rows))
  local to_own, to_sums, to_changed = {}, {}, {}
  for place, row in ipairs(message.rows) do
    local own_now, all_now = merged(row, was[place] or '', message.values[place], all[place] or '')
    if own_now then
      version = version + 1
      to_own[#to_own + 1] = row
      to_own[#to_own + 1] = own_now
      to_sums[#to_sums + 1] = row
      to_sums[#to_sums + 1] = all_now
      to_changed[#to_changed + 1] = version
      to_changed[#to_changed + 1] = row
    end
  end
  if #to_own > 0 then
    -- Redis searches a small hash from its beginning for every field, unless it holds something long.
    if #to_own >= MANY then
      redis.call('HSET', own_key, '#', LONG)
      redis.call('HSET', sums_key, '#', LONG)
    end
    redis.call('HSET', own_key, unpack(to_own))
    redis.call('HSET', sums_key, unpack(to_sums))
    if pair == 0 then
      if not epoch then
        epoch = string.format('%.0f', version)
        redis.call('HSET', meta, 'epoch', epoch)
      end
      if not known[4] then
        redis.call('HSET', own, '#epoch', epoch)
        redis.call('HSET', sums, sender, '1')
      end
      redis.call('ZADD', changed, unpack(to_changed))
      redis.call('HSET', meta, 'version', string.format('%.0f', version))
      newest = version
    else
      redis.call('EXPIRE', own_key, ARGV[8])
      redis.call('EXPIRE', sums_key, ARGV[8])
    end
  end
end
if ARGV[10] ~= '' then
  redis.call('HSET', own, '#message', ARGV[10])
elseif known[3] then
  redis.call('HDEL', own, '#message')
end
if mark > held then redis.call('HSET', own, '#sequence', string.format('%.0f', mark)) end
if tonumber(redis.call('HGET', meta, 'minutes') or 0) < minutes then drop_minutes(sums, 'minutes', true) end
if tonumber(redis.call('HGET', own, '#minutes') or 0) < minutes then drop_minutes(own, '#minutes', false) end

local online = redis.call('ZCOUNT', KEYS[5], ARGV[7], '+inf') + redis.call('ZCOUNT', KEYS[6], ARGV[7], '+inf')
local theirs, mine = {}, {}
if #names > 0 then
  theirs = redis.call('HMGET', sums, unpack(names))
  mine = redis.call('HMGET', own, unpack(names))
  for place = 1, #names do theirs[place], mine[place] = theirs[place] or '', mine[place] or '' end
end
if more == 0 and since >= 0 then since = newest end
return { 'OK', math.max(held, mark), string.format('%.0f', since), more, online, names, theirs, mine }
