-- Numbers as in C: conversions to integers, and the bits of integers and of IEEE 754 numbers.
--
-- A Lua number cannot hold a 64-bit integer.  Two halves of 32 bits represent it, the upper one first.  C does not
-- define the conversion of a number that is out of range; these functions do what x86-64 does.

local floor, frexp, ldexp, huge, format = math.floor, math.frexp, math.ldexp, math.huge, string.format
local char, byte, sub, rep = string.char, string.byte, string.sub, string.rep

local N = {}

-- Only the text of a NaN shows its sign.
local function is_negative(n)
    return n < 0 or n == 0 and 1 / n < 0 or n ~= n and sub(format("%g", n), 1, 1) == "-"
end

local nan = 0 / 0
if is_negative(nan) then
    nan = -nan
end

-- Rounds towards zero, and never returns -0.
local function truncated(n)
    return (n < 0 and -floor(-n) or floor(n)) + 0
end

-- (int64_t) n
local function int64(n)
    if n >= -9223372036854775808 and n < 9223372036854775808 then
        return truncated(n)
    end
    return -9223372036854775808
end
N.int64 = int64

-- (int) n
function N.int32(n)
    if n > -2147483649 and n < 2147483648 then
        return truncated(n)
    end
    return -2147483648
end

-- (int) (int64_t) n, which Lua functions get for an int argument
function N.int32_of_int64(n)
    n = int64(n) % 4294967296
    return n >= 2147483648 and n - 4294967296 or n
end

-- (uint64_t) n, where negative numbers are converted by int64_t
function N.halves(n)
    if n ~= n then
        return 2147483648, 0
    elseif n < 0 then
        n = int64(n)
    elseif n < 18446744073709551616 then
        n = floor(n)
    else
        return 0, 0
    end
    return floor(n / 4294967296) % 4294967296, n % 4294967296
end

-- Returns the unsigned number of two halves.
function N.unsigned(high, low)
    return high * 4294967296 + low
end

-- Returns the number of two halves; the bits from `place` on (0 is the lowest) are its sign.
function N.signed(high, low, place)
    if place >= 32 then
        local limit = 2 ^ (place - 32)
        if high >= limit then
            high = high % limit - limit
        end
        return high * 4294967296 + low
    end
    local limit = 2 ^ place
    if high > 0 or low >= limit then
        return low % limit - limit
    end
    return low
end

local function half_bytes(n)
    return char(floor(n / 16777216), floor(n / 65536) % 256, floor(n / 256) % 256, n % 256)
end

-- Returns the lowest `size` bytes of two halves, the highest byte first; padded with zeros beyond eight bytes.
function N.bytes(high, low, size)
    if size > 8 then
        return rep("\0", size - 8) .. half_bytes(high) .. half_bytes(low)
    end
    return sub(half_bytes(high) .. half_bytes(low), 9 - size)
end

-- Returns two halves from the last eight bytes of `s`, the highest byte first.
function N.halves_of_bytes(s)
    if #s < 8 then
        s = rep("\0", 8 - #s) .. s
    end
    local a, b, c, d, e, f, g, h = byte(s, -8, -1)
    return ((a * 256 + b) * 256 + c) * 256 + d, ((e * 256 + f) * 256 + g) * 256 + h
end

-- Returns the bits of a double as two halves.
local function double_halves(n)
    local sign = is_negative(n) and 2147483648 or 0
    if n ~= n then
        return sign + 2146959360, 0
    elseif n < 0 then
        n = -n
    end
    if n == 0 then
        return sign, 0
    elseif n == huge then
        return sign + 2146435072, 0
    end
    local fraction, exponent = frexp(n)
    exponent = exponent + 1022
    if exponent <= 0 then
        fraction = ldexp(fraction, 52 + exponent)
        exponent = 0
    else
        fraction = fraction * 9007199254740992 - 4503599627370496
    end
    return sign + exponent * 1048576 + floor(fraction / 4294967296), fraction % 4294967296
end
N.double_halves = double_halves

-- Returns the eight bytes of a double, the highest byte first.
function N.double(n)
    local high, low = double_halves(n)
    return half_bytes(high) .. half_bytes(low)
end

-- Returns the double of eight bytes, the highest byte first.
function N.double_of_bytes(s)
    local high, low = N.halves_of_bytes(s)
    local is_signed = high >= 2147483648
    local exponent = floor(high / 1048576) % 2048
    local n = (high % 1048576) * 4294967296 + low
    if exponent == 2047 then
        n = n == 0 and huge or nan
    elseif exponent == 0 then
        n = ldexp(n, -1074)
    else
        n = ldexp(n + 4503599627370496, exponent - 1075)
    end
    return is_signed and -n or n
end

-- Rounds to the nearest integer, and to the even one of two.
local function rounded(n)
    local whole = floor(n)
    local rest = n - whole
    return (rest > 0.5 or rest == 0.5 and whole % 2 == 1) and whole + 1 or whole
end

-- Returns the four bytes of (float) n, the highest byte first.
function N.float(n)
    local sign = is_negative(n) and 2147483648 or 0
    local bits
    if n ~= n then
        return half_bytes(sign + 2143289344)
    elseif n < 0 then
        n = -n
    end
    if n == 0 then
        bits = 0
    elseif n == huge then
        bits = 2139095040
    else
        local fraction, exponent = frexp(n)
        exponent = exponent + 126
        if exponent <= 0 then
            bits = rounded(ldexp(fraction, 23 + exponent))
        else
            bits = exponent * 8388608 + rounded(fraction * 16777216) - 8388608
        end
        if bits > 2139095040 then
            bits = 2139095040
        end
    end
    return half_bytes(sign + bits)
end

-- Returns the float of four bytes, the highest byte first.
function N.float_of_bytes(s)
    local _, bits = N.halves_of_bytes(s)
    local is_signed = bits >= 2147483648
    local exponent = floor(bits / 8388608) % 256
    local n = bits % 8388608
    if exponent == 255 then
        n = n == 0 and huge or nan
    elseif exponent == 0 then
        n = ldexp(n, -149)
    else
        n = ldexp(n + 8388608, exponent - 150)
    end
    return is_signed and -n or n
end

return N
