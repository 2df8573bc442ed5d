-- Lua's math library with the random numbers of Redis.

local checks = ...

local pairs, select, floor = pairs, select, math.floor
local fail, bad_argument = checks.fail, checks.bad_argument

-- The generator drand48, so that a seed gives the same numbers as in Redis.  Its state has 48 bits, in three parts.
local x0, x1, x2 = 0x330E, 0xABCD, 0x1234

local function lrand48()
    local a0, a1, a2 = 0xE66D, 0xDEEC, 5
    local p0 = a0 * x0 + 0xB
    local p1 = a0 * x1 + a1 * x0 + floor(p0 / 65536)
    local p2 = a0 * x2 + a1 * x1 + a2 * x0 + floor(p1 / 65536)
    x0, x1, x2 = p0 % 65536, p1 % 65536, p2 % 65536
    return x2 * 32768 + floor(x1 / 2)
end

local maths = {}
for name, value in pairs(math) do
    maths[name] = value
end

function maths.random(...)
    local count = select("#", ...)
    local r = (lrand48() % 2147483647) / 2147483647
    if count == 0 then
        return r
    end
    if count > 2 then
        fail("wrong number of arguments")
    end
    local low, high = ...
    low = checks.int(low, 1, count)
    if count == 1 then
        low, high = 1, low
    else
        high = checks.int(high, 2, count)
    end
    if low > high then
        bad_argument(count, "interval is empty")
    end
    return floor(r * (high - low + 1)) + low
end

function maths.randomseed(...)
    local seed = checks.int((...), 1, select("#", ...)) % 4294967296
    x0, x1, x2 = 0x330E, seed % 65536, floor(seed / 65536)
end

return maths
