-- Gives a request back, as far as it has not come back by itself.
--
-- KEYS       one counter each.
-- ARGV[1]    the time in microseconds since 1970, or '' to ask the server.
-- ARGV[2]    the cost of the request.
-- ARGV[3..]  for each counter 'g', interval in ns, when its debt would have
--            drained, in microseconds, and nanoseconds beside; or 's', period
--            in us, the cell in which it was counted, 0.
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local cost = tonumber(ARGV[2])
for i = 1, #KEYS do
  local kind, size = ARGV[4 * i - 1], tonumber(ARGV[4 * i])
  local mark, beside = tonumber(ARGV[4 * i + 1]), tonumber(ARGV[4 * i + 2])
  local value = redis.call('GET', KEYS[i])
  local time, owed = string.match(value or '', '^(%d+) (%d+)$')
  local c, n, l, b, lb = string.match(value or '', '^(%d+) (%d+) (%d+) (%d+) (%d+)$')
  if kind == 'g' and time then
    local then_ = math.max(now, tonumber(time))
    local debt = math.max(0, tonumber(owed) - (then_ - tonumber(time)) * 1000)
    local undrained = math.max(0, (mark - then_) * 1000 + beside)
    debt = debt - math.min(size * cost, undrained)
    if debt > 0 then
      redis.call('SET', KEYS[i], string.format('%.0f %.0f', then_, debt),
        'PX', math.ceil(debt / 1000000) + 1)
    else
      redis.call('DEL', KEYS[i])
    end
  elseif kind == 's' and c then
    c, n, b = tonumber(c), tonumber(n), tonumber(b)
    if c == mark then
      n = math.max(0, n - cost)
    elseif c == mark + 1 then
      b = math.max(0, b - cost)
    end
    redis.call('SET', KEYS[i], string.format('%.0f %.0f %s %.0f %s', c, n, l, b, lb), 'KEEPTTL')
  end
end
return {1}
