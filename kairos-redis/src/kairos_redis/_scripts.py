"""The scripts: what must be done on the server in one piece, so that an index never differs from its data.

The layout of keys is described in ``docs/redis.md``. Every key that a script touches begins with ``KEYS[1]``, the
directory of one name, and so lies in its hash slot; the one exception is the shard of names, which is passed where
there are no slots. On a cluster a key that is never there is passed instead. While a slot moves from node to node, a
server refuses a command of whose keys one is not there (TRYAGAIN), and so no script takes what is still, or already, on
the other node for what has expired.
"""

from __future__ import annotations

from hashlib import sha1
from typing import Any, TypeAlias

from attrs import field, frozen

from kairos.backend import Shape

__all__ = ["BOUNDS", "DELETE", "NAMES", "NOWHERE", "PAGE", "SCALE", "WRITE", "Command", "Script"]

Command: TypeAlias = tuple[Any, ...]

PAGE = 12
"""How many buckets one member of an index stands for: a divisor of 24 and 60, so that few pages are cut."""
NOWHERE = "::"
"""What stands behind a directory's name in the name of a key that is never there: no interval has an empty name."""
SCALE = 1 << PAGE
"""A score is ``first bucket x SCALE + bits``: exact in a double for every second of the years 1 to 9999."""


@frozen
class Script:
    """A script, to be called by its digest; a server that does not know it yet gets the text."""

    text: str
    digest: bytes = field(init=False)

    @digest.default
    def _digest(self) -> bytes:
        return sha1(self.text.encode(), usedforsecurity=False).hexdigest().encode()

    def call(self, keys: tuple[bytes, ...], *args: Any) -> Command:
        """The command that calls it."""
        return ("EVALSHA", self.digest, len(keys), *keys, *args)

    def in_full(self, command: Command) -> Command:
        """The same command for a server, or a pipeline of somebody else's, that may not know it."""
        return ("EVAL", self.text, *command[2:])


_COMMON = f"""
local PAGE, SCALE = {PAGE}, {SCALE}
local directory, names = KEYS[1], KEYS[2]
if names == directory .. '{NOWHERE}' then names = nil end

local function fail(reply, key)
    error({{err = reply.err .. ' [key ' .. key .. ']'}})
end

local function ask(...)
    local reply = redis.pcall(...)
    if type(reply) == 'table' and reply.err then fail(reply, (select(2, ...))) end
    return reply
end

local function live_until(key, time)
    if time == 'inf' then ask('PERSIST', key) elseif time then ask('EXPIREAT', key, time) end
end
"""

# What a member of an index stands for. Of an index of a coarse interval: a page of buckets. Of one with a resolution,
# whose name ends in a colon: a bucket and a page of its resolution buckets.
_PAGES = """
local function open_page(member, score)
    local bucket, page = string.match(member, '^(-?%d+):(-?%d+)$')
    local first = tonumber(page or member) * PAGE
    local base = bucket and tonumber(bucket) or first
    return bucket, first, base, score - base * SCALE
end

local function each_cell(prefix, member, score, visit)
    local bucket, first, base, bits = open_page(member, score)
    for bit = 0, PAGE - 1 do
        if math.floor(bits / 2 ^ bit) % 2 == 1 then
            local part = string.format('%d', first + bit)
            if bucket then
                visit(base, prefix .. bucket .. ':' .. part, 2 ^ bit)
            else
                visit(first + bit, prefix .. part, 2 ^ bit)
            end
        end
    end
    return base
end

local function cells_of(index)
    return string.sub(index, -1) == ':' and index or index .. ':'
end

-- The scores from which and to which the pages of a range of buckets lie.
local function scores(index, low, high)
    if low and index == cells_of(index) then
        low = low * SCALE
    elseif low then
        low = math.floor(low / PAGE) * PAGE * SCALE
    end
    return low or '-inf', high and high * SCALE + SCALE - 1 or '+inf'
end
"""

# ARGV: the name, then for each cell: index, bucket, resolution bucket or '', when it expires or 'inf', the number of
# words that follow, and these. A cell is written after the index has been made to know it: whatever fails on the way,
# no data is without an index. Returns 1 if the directory was not there and the names are kept elsewhere.
_WRITE = """
local function write(key, from, to)
    %s
end

local is_new = not names and ask('EXISTS', directory) == 0
local ends, at, size = {}, 2, #ARGV
while at <= size do
    local index, expires = ARGV[at], ARGV[at + 3]
    expires = expires == 'inf' and math.huge or tonumber(expires)
    if not ends[index] or expires > ends[index] then ends[index] = expires end
    at = at + 5 + ARGV[at + 4]
end
local moved = false
for index, expires in pairs(ends) do
    if ask('ZADD', directory, 'GT', 'CH', expires, index) == 1 then
        live_until(directory .. ':' .. index, ask('ZSCORE', directory, index))
        moved = true
    end
end
if moved then
    local last = ask('ZRANGE', directory, -1, -1, 'WITHSCORES')[2]
    live_until(directory, last)
    if names then
        ask('ZREMRANGEBYSCORE', names, '-inf', redis.call('TIME')[1])
        ask('ZADD', names, 'GT', last, ARGV[1])
    end
end

local grown = {}
at = 2
while at <= size do
    local index, bucket, part, count = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 4]
    local key = directory .. ':' .. index
    local number = tonumber(part == '' and bucket or part)
    local page = math.floor(number / PAGE)
    local cell, member, base
    if part == '' then
        cell, member, base = key .. ':' .. bucket, page, page * PAGE * SCALE
    else
        cell, member, base = key .. bucket .. ':' .. part, bucket .. ':' .. page, tonumber(bucket) * SCALE
    end
    local score = ask('ZSCORE', key, member)
    local bits, value = score and tonumber(score) - base or 0, 2 ^ (number - page * PAGE)
    if math.floor(bits / value) %% 2 == 0 then ask('ZADD', key, base + bits + value, member) end
    if not score then
        -- By the server's clock all may have expired already: it then removes what is written, at once.
        live_until(key, ask('ZSCORE', directory, index) or ARGV[at + 3])
        grown[key] = (grown[key] or 0) + 1
    end
    write(cell, at + 5, at + 4 + count)
    live_until(cell, ARGV[at + 3])
    at = at + 5 + count
end

-- An index that grows at one end is shortened at the other, by what has expired.
for key, added in pairs(grown) do
    for _ = 1, 2 * added do
        local page, dead = ask('ZRANGE', key, 0, 0, 'WITHSCORES'), true
        if not page[1] then break end
        each_cell(cells_of(key), page[1], tonumber(page[2]), function(_, cell)
            dead = dead and ask('EXISTS', cell) == 0
        end)
        if not dead or ask('ZCARD', key) == 1 then break end
        ask('ZREM', key, page[1])
    end
end
return is_new and 1 or 0
"""

_WRITES = {
    Shape.LIST: "ask('RPUSH', key, unpack(ARGV, from, to))",
    Shape.SET: "ask('SADD', key, unpack(ARGV, from, to))",
    # GET: a key of another type is an error then, and not overwritten.
    Shape.REGISTER: "ask('SET', key, ARGV[from], 'GET')",
    Shape.COUNTERS: "for i = from, to, 2 do ask('HINCRBY', key, ARGV[i], ARGV[i + 1]) end",
    # A count is the exact sum of its ints and the sum of its floats: `7`, `0.5`, or both: `7 0.5`. INCRBY is the one
    # exact addition of 64 bits that there is; INCRBYFLOAT rounds what is below 1e-17 to 0.
    Shape.COUNTER: """
    local amount, whole = ARGV[from], string.match(ARGV[from], '^-?%d+$')
    if whole then
        local reply = redis.pcall('INCRBY', key, amount)
        if type(reply) ~= 'table' or not reply.err then return end
        if not string.find(reply.err, 'not an integer', 1, true) then fail(reply, key) end
    end
    local old = ask('GET', key) or '0'
    local ints, floats = string.match(old, '^(-?%d+) (.+)$')
    if not ints then
        if string.match(old, '^-?%d+$') then ints, floats = old, '0' else ints, floats = '0', old end
    end
    floats = tonumber(floats)
    if not floats then fail({err = 'ERR value is not a number'}, key) end
    if whole then
        ask('SET', key, ints, 'KEEPTTL')
        local reply = redis.pcall('INCRBY', key, amount)
        if type(reply) == 'table' and reply.err then
            ask('SET', key, old, 'KEEPTTL')
            fail(reply, key)
        end
        ints = ask('GET', key)
    else
        floats = floats + tonumber(amount)
        if floats - floats ~= 0 then fail({err = 'ERR increment or decrement would overflow'}, key) end
    end
    local text = string.format('%.17g', floats)
    if not string.find(text, '[.e]') then text = text .. '.0' end
    if floats == 0 then text = ints elseif ints ~= '0' then text = ints .. ' ' .. text end
    ask('SET', key, text, 'KEEPTTL')
    """,
}

WRITE = {shape: Script(_COMMON + _PAGES + _WRITE % write.strip()) for shape, write in _WRITES.items()}
"""For each shape, the script that adds cells of one name."""

# ARGV: the type of the cells' keys, then for each interval its index, that of its resolution and the first visible
# bucket or ''. Returns the first and the last bucket of each, or '' and ''; false if it has looked at so many pages
# whose cells have expired that it had better be called again. These are removed.
BOUNDS = Script(
    _COMMON
    + _PAGES
    + """
local kind, budget = ARGV[1], 1000

local function edge(index, cutoff, command)
    local key, offset = directory .. ':' .. index, 0
    local low, high = scores(key, cutoff)
    if command == 'ZREVRANGEBYSCORE' then low, high = high, low end
    while budget > 0 do
        local page = ask(command, key, low, high, 'WITHSCORES', 'LIMIT', offset, 1)
        if not page[1] then return nil end
        local first, last, living
        each_cell(cells_of(key), page[1], tonumber(page[2]), function(bucket, cell)
            if ask('TYPE', cell).ok == kind then
                living = true
                if not cutoff or bucket >= cutoff then
                    first, last = first or bucket, bucket
                end
            end
        end)
        if first then return command == 'ZRANGEBYSCORE' and first or last end
        if living then offset = offset + 1 else ask('ZREM', key, page[1]) end
        budget = budget - 1
    end
end

local function better(one, other, choose)
    if one and other then return choose(one, other) end
    return one or other
end

local found = {}
for at = 2, #ARGV, 3 do
    local cutoff = tonumber(ARGV[at + 2])
    local ends = {}
    for number, command in ipairs({'ZRANGEBYSCORE', 'ZREVRANGEBYSCORE'}) do
        ends[number] = better(
            edge(ARGV[at], cutoff, command), edge(ARGV[at + 1], cutoff, command), number == 1 and math.min or math.max
        )
        found[#found + 1] = ends[number] and string.format('%d', ends[number]) or ''
    end
end
return budget > 0 and found or false
"""
)

# ARGV: the name, the type of the cells' keys, the index, the first and the last bucket to remove or '', the first
# bucket to count or 'none' or ''. Removes no key of another type. Returns how many cells were counted, whether there
# is more to do (no script should take long), and whether the name still has a directory.
DELETE = Script(
    _COMMON
    + _PAGES
    + """
local kind, index = ARGV[2], directory .. ':' .. ARGV[3]
local low, high, count_from = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local counted, budget, offset = 0, 200, 0
local from, to = scores(index, low, high)
while budget > 0 do
    local page = ask('ZRANGEBYSCORE', index, from, to, 'WITHSCORES', 'LIMIT', offset, 1)
    if not page[1] then break end
    local kept = 0
    local base = each_cell(cells_of(index), page[1], tonumber(page[2]), function(bucket, cell, value)
        if (low and bucket < low) or (high and bucket > high) then
            kept = kept + value
        elseif ask('TYPE', cell).ok == kind then
            ask('UNLINK', cell)
            if ARGV[6] ~= 'none' and (not count_from or bucket >= count_from) then counted = counted + 1 end
        end
    end)
    if kept == 0 then
        ask('ZREM', index, page[1])
    else
        ask('ZADD', index, base * SCALE + kept, page[1])
        offset = offset + 1
    end
    budget = budget - 1
end
if ask('EXISTS', index) == 0 then ask('ZREM', directory, ARGV[3]) end
local remains = ask('EXISTS', directory)
if names and remains == 0 then ask('ZREM', names, ARGV[1]) end
return {counted, budget > 0 and 0 or 1, remains}
"""
)

# KEYS: a shard of the names. ARGV: when a name expires for good or 'inf', and the name, any number of times. Without
# any, returns the names. Those whose data has expired, by the server's own clock, are removed.
NAMES = Script(
    """
for at = 1, #ARGV, 2 do redis.call('ZADD', KEYS[1], 'GT', ARGV[at], ARGV[at + 1]) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', redis.call('TIME')[1])
return #ARGV == 0 and redis.call('ZRANGE', KEYS[1], 0, -1) or 0
"""
)
