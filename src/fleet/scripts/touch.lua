-- touch.lua: who was here, and whether a visit opened.
--
-- KEYS  1 here (zset)   visitors in a visit, by the moment from which the online window runs: that of the
--                       last view or ping, or after a leave one that lets them go offline
--       2 left (zset)   visitors whose last beacon was a leave, by its moment; the fraction of the score,
--                       in 4096ths, is how many seconds before it the page had its last beacon (4095: another
--                       tab was still open)
--       3 idle (zset)   visitors online without a visit, by their last ping
--       4 open (zset)   visits that this node was told it opened and has not stored yet, by their moment; and
--                       "#", by the number that was settled then
-- ARGV  1 settled       a number that rises when the node has stored what it was told before
--       2 visit window, 3 online window, both in milliseconds
--       4 cut           nobody asks for a visit that ended before this moment
--       5 seconds that the sets live untouched
--       6 whoever was here at this moment or later is online
--       7 the touches, 45 bytes each: visitor (8), the day before's id (8), first, last and leave moment
--         (doubles), milliseconds since the left page's last beacon (u32), flags
--
-- Answers a character a touch: "1" when it opened a visit; the number settled before; how many are online. A
-- touch that is asked about again, because the answer was lost or the node died, gets the same answer until the
-- node says that it is settled.

local exists = {}
for place, key in ipairs(KEYS) do
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= 'zset' then return { 'TYPE', key, found } end
  exists[place] = found ~= 'none'
end

local here, left, idle, open = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local visit_window, online_window, cut = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local VIEW, KNOWN, PREVIOUS, LAST, LEAVE = 1, 2, 4, 8, 16
local GRACE, SLACK, OTHER_TAB = 15000, 1000, 4095

-- Tables are made in their final size: to let them grow costs more than all else here.
local touches, asked, order = {}, {}, {}
local function ask(id)
  if asked[id] then return end
  asked[id] = {
    here = false, left = false, idle = false, opened = false,
    was_here = false, was_left = false, was_idle = false, was_opened = false,
  }
  order[#order + 1] = id
end
-- Only those whose visit this touch may open.
local openers = {}
local place = 1
while place <= #ARGV[7] do
  local visitor, previous, first, last, leave, since, flags
  visitor, previous, first, last, leave, since, flags, place = struct.unpack('<c8c8dddI4B', ARGV[7], place)
  touches[#touches + 1] = {
    visitor = visitor, previous = previous, first = first, last = last,
    leave = leave, since = since, flags = flags,
  }
  ask(visitor)
  if bit.band(flags, PREVIOUS) ~= 0 then ask(previous) end
  if bit.band(flags, VIEW) ~= 0 and bit.band(flags, KNOWN) == 0 then openers[#openers + 1] = visitor end
end

local settled = tonumber(redis.call('ZMSCORE', open, '#')[1] or -1)
if tonumber(ARGV[1]) > settled then
  redis.call('DEL', open)
  redis.call('ZADD', open, ARGV[1], '#')
end

local function read(place, ids, now, was)
  if not exists[place] or #ids == 0 then return end
  local scores = redis.call('ZMSCORE', KEYS[place], unpack(ids))
  for n, id in ipairs(ids) do
    local known, score = asked[id], tonumber(scores[n] or nil) or false
    known[now], known[was] = score, score
  end
end
read(1, order, 'here', 'was_here')
read(2, order, 'left', 'was_left')
read(3, order, 'idle', 'was_idle')
read(4, openers, 'opened', 'was_opened')

local function later(a, b)
  if not a then return b end
  if not b then return a end
  return math.max(a, b)
end

-- The person's sets under yesterday's id become those under today's.
local function carry(from, to)
  to.here, to.left, to.idle = later(to.here, from.here), later(to.left, from.left), later(to.idle, from.idle)
  if to.here then to.idle = false end
  from.here, from.left, from.idle = false, false, false
end

-- A view or ping of somebody in a visit. One that comes late, after a leave that was later, only counts if it
-- is of another page than the one that was left.
local function stay(known, last)
  local leave = known.left and math.floor(known.left)
  if not leave or last >= leave then
    known.here, known.left = later(known.here, last), false
    return
  end
  local since = (known.left - leave) * 4096
  if since ~= OTHER_TAB and math.floor(last / 1000) * 1000 > leave - since * 1000 + SLACK then
    known.here, known.left = later(known.here, last), leave + OTHER_TAB / 4096
  end
  known.here = known.here or last
end

local function go(known, leave, since, own)
  local last = known.here or known.idle
  -- Told late: whoever was seen after it, or by another node in the same millisecond, is still there.
  if not last or last > leave or last == leave and own ~= leave then return end
  -- Whoever was silent for so long was offline before.
  local silent = leave - online_window - SLACK
  local is_last_page = last < silent or math.floor(last / 1000) * 1000 <= leave - since + SLACK
  if is_last_page then last = math.min(last, leave + GRACE - online_window) end
  if known.here then
    local seconds = is_last_page and math.min(math.floor(since / 1000), OTHER_TAB - 1) or OTHER_TAB
    -- What is older may be forgotten, and the visit goes on from the leave.
    known.here = math.max(last, silent)
    known.left = later(known.left and math.floor(known.left), leave) + seconds / 4096
  else
    known.idle = last
  end
end

local answers = {}
for n, touch in ipairs(touches) do
  local known, flags = asked[touch.visitor], touch.flags
  if bit.band(flags, PREVIOUS) ~= 0 then carry(asked[touch.previous], known) end
  local seen = known.here and math.max(known.here, math.floor(known.left or 0))
  if seen and touch.first - seen > visit_window then known.here, known.left, seen = false, false, false end
  local answer = '0'
  if bit.band(flags, VIEW) ~= 0 and bit.band(flags, KNOWN) == 0 then
    if known.opened == touch.first then
      answer = '1'
    elseif not seen then
      answer, known.opened = '1', touch.first
    end
  end
  local in_visit = seen or bit.band(flags, VIEW + KNOWN) ~= 0
  if in_visit then
    if bit.band(flags, LAST) ~= 0 then stay(known, touch.last) end
    known.here, known.idle = known.here or touch.first, false
  elseif bit.band(flags, LAST) ~= 0 then
    known.idle = later(known.idle, touch.last)
  end
  if bit.band(flags, LEAVE) ~= 0 then go(known, touch.leave, touch.since, touch.last) end
  answers[n] = answer
end

local function write(set, now, was)
  local put, gone = {}, {}
  for _, id in ipairs(order) do
    local known = asked[id]
    if known[now] and known[now] ~= known[was] then
      put[#put + 1] = known[now]
      put[#put + 1] = id
    elseif known[was] and not known[now] then
      gone[#gone + 1] = id
    end
  end
  if #put > 0 then
    redis.call('ZADD', set, unpack(put))
    redis.call('EXPIRE', set, ARGV[5])
  end
  if #gone > 0 then redis.call('ZREM', set, unpack(gone)) end
end
write(here, 'here', 'was_here')
write(left, 'left', 'was_left')
write(idle, 'idle', 'was_idle')
write(open, 'opened', 'was_opened')
redis.call('EXPIRE', open, ARGV[5])

-- In small steps, so that a crowd that ends at once does not hold anybody up.
local function forget(set, before)
  local many = redis.call('ZCOUNT', set, '-inf', '(' .. string.format('%.17g', before))
  if many > 0 then redis.call('ZREMRANGEBYRANK', set, 0, math.min(many, 1000) - 1) end
end
if cut > 0 then
  -- A leave takes somebody offline without ending the visit.
  forget(here, cut - online_window - SLACK)
  forget(left, cut)
  forget(idle, cut - online_window)
end
local online = redis.call('ZCOUNT', here, ARGV[6], '+inf') + redis.call('ZCOUNT', idle, ARGV[6], '+inf')
return { 'OK', table.concat(answers), settled, online }
