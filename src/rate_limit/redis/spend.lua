-- Counts a request on all counters, or on none.
--
-- KEYS[1]    the caller's ban; KEYS[2..] one counter each.
-- ARGV[1]    the time in microseconds since 1970, or '' to ask the server.
-- ARGV[2]    the cost of one request; ARGV[3] up to how many requests to grant,
--            0 to look only.
-- ARGV[4..]  for each counter 'g', interval in ns, burst; or 's', period in us,
--            most.
--
-- A counter is 'time debt', in microseconds and nanoseconds: so the debt is
-- exact, and a clock that goes back adds nothing to it. A strict one is
-- 'cell count last before last_before'.
--
-- Returns: granted, time, left of the ban in ms (or -1), and for each counter
-- the debt in ns (or what is counted) after the decision, and the wait in ns.
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local cost, granted = tonumber(ARGV[2]), tonumber(ARGV[3])
local out = {0, 0, redis.call('PTTL', KEYS[1])}
if out[3] > 0 then
  granted = 0
else
  out[3] = -1
end
local held = {}
for i = 2, #KEYS do
  local kind, size, most = ARGV[3 * i - 2], tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  local value = redis.call('GET', KEYS[i])
  local counter = {kind = kind, size = size, now = now}
  local fits
  if kind == 'g' then
    local capacity, debt = size * most, 0
    local time, owed = string.match(value or '', '^(%d+) (%d+)$')
    if time then
      if tonumber(time) > counter.now then counter.now = tonumber(time) end
      debt = math.max(0, math.min(tonumber(owed), capacity) - (counter.now - tonumber(time)) * 1000)
    end
    counter.used, counter.each = debt, size * cost
    fits = math.floor((capacity - debt) / counter.each)
    counter.wait = debt + counter.each - capacity
  else
    local cell, count, last, before, last_before = math.floor(now / size), 0, 0, 0, 0
    local c, n, l, b, lb = string.match(value or '', '^(%d+) (%d+) (%d+) (%d+) (%d+)$')
    if c then
      c, n, l, b, lb = tonumber(c), tonumber(n), tonumber(l), tonumber(b), tonumber(lb)
      if l > counter.now then counter.now = l end
      cell = math.floor(counter.now / size)
      if c == cell then
        count, last, before, last_before = n, l, b, lb
      elseif c == cell - 1 then
        before, last_before = n, l
      end
    end
    if last_before + size <= counter.now then before = 0 end
    counter.cell, counter.count = cell, count
    counter.before, counter.last_before = before, last_before
    counter.used, counter.each = before + count, cost
    fits = math.floor((most - before - count) / cost)
    local free = last_before + size
    if count + cost > most then free = last + size end
    counter.wait = (free - counter.now) * 1000
  end
  if fits >= 1 then counter.wait = 0 end
  granted = math.max(0, math.min(granted, fits))
  held[i] = counter
end
for i = 2, #KEYS do
  local counter = held[i]
  if granted > 0 then
    counter.used = counter.used + counter.each * granted
    if counter.kind == 'g' then
      redis.call('SET', KEYS[i], string.format('%.0f %.0f', counter.now, counter.used),
        'PX', math.ceil(counter.used / 1000000) + 1)
    else
      redis.call('SET', KEYS[i], string.format('%.0f %.0f %.0f %.0f %.0f', counter.cell,
        counter.count + counter.each * granted, counter.now, counter.before, counter.last_before),
        'PX', math.ceil(counter.size / 500) + 1)
    end
  end
  out[#out + 1] = counter.used
  out[#out + 1] = counter.wait
end
out[1], out[2] = granted, now
return out
