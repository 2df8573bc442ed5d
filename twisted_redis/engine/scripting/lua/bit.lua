-- Bit operations on 32-bit integers: the functions and errors of the bit library in Redis.

local numbers, checks = ...

local floor, format, sub, select = math.floor, string.format, string.sub, select
local double_halves = numbers.double_halves

-- Returns the argument at `place` as an unsigned 32-bit number.  After adding 2^52 + 2^51, the lowest bits of the
-- mantissa are those of the integer.  It is rounded, and it is not exact if the number is too large.
local function bits(value, place, count)
    if type(value) ~= "number" then
        value = checks.number(value, place, count)
    end
    value = value + 6755399441055744
    if value >= 4503599627370496 and value < 9007199254740992 then
        return value % 4294967296
    end
    local _, low = double_halves(value)
    return low
end

local function signed(value)
    return value >= 2147483648 and value - 4294967296 or value
end

-- a AND b at the index 16 * a + b, for four bits each.
local BOTH = {}
for a = 0, 15 do
    for b = 0, 15 do
        local both, place = 0, 1
        for _ = 1, 4 do
            if floor(a / place) % 2 == 1 and floor(b / place) % 2 == 1 then
                both = both + place
            end
            place = place * 2
        end
        BOTH[16 * a + b] = both
    end
end

local function band(a, b)
    local both, place = 0, 1
    while a > 0 and b > 0 do
        local x, y = a % 16, b % 16
        both = both + BOTH[16 * x + y] * place
        a, b, place = (a - x) / 16, (b - y) / 16, place * 16
    end
    return both
end

local function bor(a, b)
    return a + b - band(a, b)
end

local function bxor(a, b)
    return a + b - 2 * band(a, b)
end

local function fold(join)
    return function(...)
        local count = select("#", ...)
        local a, b = ...
        local value = bits(a, 1, count)
        if count == 2 then
            value = join(value, bits(b, 2, count))
        elseif count > 2 then
            local all = {...}
            for place = count, 2, -1 do
                value = join(value, bits(all[place], place, count))
            end
        end
        return signed(value)
    end
end

local function shift(move)
    return function(...)
        local count = select("#", ...)
        local a, b = ...
        local value = bits(a, 1, count)
        return signed(move(value, bits(b, 2, count) % 32))
    end
end

local bit = {band = fold(band), bor = fold(bor), bxor = fold(bxor)}

bit.lshift = shift(function(value, n)
    return value * 2 ^ n % 4294967296
end)

bit.rshift = shift(function(value, n)
    return floor(value / 2 ^ n)
end)

bit.arshift = shift(function(value, n)
    return floor(signed(value) / 2 ^ n) % 4294967296
end)

bit.rol = shift(function(value, n)
    return value * 2 ^ n % 4294967296 + floor(value / 2 ^ (32 - n))
end)

bit.ror = shift(function(value, n)
    return value * 2 ^ (32 - n) % 4294967296 + floor(value / 2 ^ n)
end)

function bit.tobit(...)
    return signed(bits((...), 1, select("#", ...)))
end

function bit.bnot(...)
    return signed(4294967295 - bits((...), 1, select("#", ...)))
end

function bit.bswap(...)
    local value = bits((...), 1, select("#", ...))
    return signed(value % 256 * 16777216 + floor(value / 256) % 256 * 65536 + floor(value / 65536) % 256 * 256
        + floor(value / 16777216))
end

function bit.tohex(...)
    local count = select("#", ...)
    local a, b = ...
    local value = bits(a, 1, count)
    local digits = count < 2 and 8 or signed(bits(b, 2, count))
    local form = "%08x"
    if digits < 0 then
        digits = -digits
        form = "%08X"
    end
    return sub(format(form, value), -digits, digits > 0 and -1 or 0)
end

return checks.name(bit), band
