//! What the server runs, in Lua. Times are whole seconds since 1970.

use ::redis::Script;

/// One script an operation. The server knows them by their hash after the first
/// call.
#[derive(Clone)]
pub(super) struct Scripts {
    pub(super) create: Script,
    pub(super) seen: Script,
    pub(super) rotate: Script,
    pub(super) note_replay: Script,
    pub(super) repeat: Script,
    pub(super) confirm: Script,
    pub(super) reauthenticate: Script,
    pub(super) end: Script,
    pub(super) raise: Script,
}

impl Default for Scripts {
    fn default() -> Self {
        let about = |rest: &str| Script::new(&format!("{SESSION}{rest}"));
        Self {
            create: Script::new(CREATE),
            seen: about("return row()"),
            rotate: about(ROTATE),
            note_replay: about(NOTE_REPLAY),
            repeat: about(REPEAT),
            confirm: about(CONFIRM),
            reauthenticate: about(REAUTHENTICATE),
            end: about(END),
            raise: about(RAISE),
        }
    }
}

/// What the scripts about one session begin with.
const SESSION: &str = "
local session, epochs, feed = KEYS[1], KEYS[2], KEYS[3]
local function get(field) return redis.call('HGET', session, field) end
local function number(field) return tonumber(get(field)) end
local function epoch_of(subject)
    local known = redis.call('HGET', epochs, subject)
    if not known then return 0, nil end
    known = cjson.decode(known)
    return known.epoch, known.reason
end
local function over()
    local reason = get('end_reason')
    if reason then return reason end
    local own, own_reason = epoch_of(get('subject'))
    if number('epoch') < own then return own_reason end
    local common, common_reason = epoch_of('')
    if number('common_epoch') < common then return common_reason end
    return nil
end
local function exists() return redis.call('EXISTS', session) == 1 end
local function live(now)
    return exists() and not over() and now < number('idle_until') and now < number('absolute_until')
end
local function at(generation)
    return exists() and get('generation') == generation and not get('end_reason')
end
local function row()
    if not exists() then return {} end
    local fields = redis.call('HGETALL', session)
    local reason = over()
    if reason then
        fields[#fields + 1] = 'over'
        fields[#fields + 1] = reason
    end
    return fields
end
local function announce(what, now, remember)
    local text = cjson.encode(what)
    redis.call('ZADD', feed, now, text)
    redis.call('ZREMRANGEBYSCORE', feed, '-inf', now - remember)
    return text
end
";

/// Arguments: id, created at, forget at unless used, forget at, fields.
const CREATE: &str = "
redis.call('HSET', KEYS[1], unpack(ARGV, 5))
redis.call('EXPIREAT', KEYS[1], ARGV[3])
redis.call('SET', KEYS[2], ARGV[1], 'EXAT', ARGV[4])
redis.call('ZADD', KEYS[3], ARGV[2], ARGV[1])
redis.call('EXPIREAT', KEYS[3], ARGV[4])
for _, id in ipairs(redis.call('ZRANGE', KEYS[3], 0, 9)) do
    local other = string.gsub(KEYS[1], '%x+$', '') .. id
    if redis.call('EXISTS', other) == 0 then redis.call('ZREM', KEYS[3], id) end
end
";

/// Arguments: expected generation, now, idle until, how long it is remembered.
const ROTATE: &str = "
local now, idle_until = tonumber(ARGV[2]), tonumber(ARGV[3])
if not live(now) or get('generation') ~= ARGV[1] then return {0, row()} end
idle_until = math.min(idle_until, number('absolute_until'))
local receipt = 0
if number('receipt') == 1 then receipt = 2 end
redis.call('HINCRBY', session, 'generation', 1)
redis.call('HSET', session, 'rotated_at', ARGV[2], 'replays', 0, 'receipt', receipt,
    'idle_until', string.format('%.0f', idle_until))
redis.call('EXPIREAT', session, string.format('%.0f', idle_until + tonumber(ARGV[4])))
return {1, row()}
";

/// Arguments: generation, most.
const NOTE_REPLAY: &str = "
if not at(ARGV[1]) or number('replays') >= tonumber(ARGV[2]) then return 0 end
redis.call('HINCRBY', session, 'replays', 1)
return 1
";

/// Arguments: generation, now.
const REPEAT: &str = "
if not at(ARGV[1]) or number('receipt') ~= 0 then return 0 end
redis.call('HSET', session, 'receipt', 1, 'rotated_at', ARGV[2], 'replays', 0)
return 1
";

/// Arguments: generation.
const CONFIRM: &str = "
if not at(ARGV[1]) or number('receipt') ~= 0 then return 0 end
redis.call('HSET', session, 'receipt', 2)
return 1
";

/// Arguments: now.
const REAUTHENTICATE: &str = "
if not live(tonumber(ARGV[1])) then return {} end
redis.call('HSET', session, 'authenticated_at', ARGV[1])
return row()
";

/// Arguments: now, reason, subject, how long it is remembered, whether anybody's.
const END: &str = "
if not exists() or get('end_reason') then return nil end
if ARGV[5] ~= '1' and get('subject') ~= ARGV[3] then return nil end
local now, remember = tonumber(ARGV[1]), tonumber(ARGV[4])
redis.call('HSET', session, 'end_reason', ARGV[2])
redis.call('EXPIREAT', session, string.format('%.0f', now + remember))
return announce({subject = get('subject'), sid = get('sid'), reason = ARGV[2], at = now}, now, remember)
";

/// Arguments: now, reason, subject, how long it is remembered. The session, if
/// it is the subject's and not over, is taken along.
const RAISE: &str = "
local now, subject = tonumber(ARGV[1]), ARGV[3]
local epoch = epoch_of(subject) + 1
local raised = {subject = subject, epoch = epoch, reason = ARGV[2], at = now}
if live(now) and get('subject') == subject then
    raised.keep = get('sid')
    redis.call('HSET', session, 'epoch', string.format('%.0f', epoch))
end
local before = redis.call('HGET', epochs, subject)
if before then redis.call('ZREM', feed, before) end
redis.call('HSET', epochs, subject, cjson.encode(raised))
return announce(raised, now, tonumber(ARGV[4]))
";
