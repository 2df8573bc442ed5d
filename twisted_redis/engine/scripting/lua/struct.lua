-- Values in the byte layout of C: the functions and errors of the struct library in Redis.

local numbers, checks, band = ...

local select, tonumber, unpack = select, tonumber, unpack
local sub, rep, find, match, reverse = string.sub, string.rep, string.find, string.match, string.reverse
local concat, min = table.concat, math.min
local fail, bad_argument = checks.fail, checks.bad_argument

local INT_MAX = 2147483647
local MOST = 32  -- the most bytes of an integer
local SIZES = {b = 1, B = 1, h = 2, H = 2, l = 8, L = 8, T = 8, f = 4, d = 8, x = 1}
local RESULTS = 8000  -- the most results that fit into a call

-- Returns the number in a format at `at`, or `default`, and the position after it.
local function count_at(form, at, default)
    local digits = match(form, "^%d+", at)
    if not digits then
        return default, at
    end
    local count = tonumber(digits)
    if count > INT_MAX then
        fail("integral size overflow")
    end
    return count, at + #digits
end

-- Returns the size of `option`, whose digits may follow at `at`, and the position after them.
local function size_of(form, option, at)
    local size = SIZES[option]
    if size then
        return size, at
    elseif option == "c" then
        return count_at(form, at, 1)
    elseif option == "i" or option == "I" then
        size, at = count_at(form, at, 4)
        if size > MOST then
            fail("integral size " .. size .. " is larger than limit of " .. MOST)
        end
        return size, at
    end
    return 0, at
end

-- Returns the number of padding bytes between `total` and an aligned value of `size`.
local function padding(total, align, option, size)
    if align == 1 or size == 0 or option == "c" then
        return 0
    end
    size = min(size, align)
    return band(size - band(total % 4294967296, size - 1), size - 1)
end

-- Handles an option that is not a value: byte order and alignment.  Returns the position after it, and both settings.
local function control(form, option, at, is_little, align)
    if option == ">" then
        is_little = false
    elseif option == "<" then
        is_little = true
    elseif option == "!" then
        align, at = count_at(form, at, 8)
        if align == 0 or band(align, align - 1) ~= 0 then
            fail("alignment " .. align .. " is not a power of 2")
        end
    elseif option ~= " " then
        bad_argument(1, "invalid format option '" .. option .. "'")
    end
    return at, is_little, align
end

-- As in C, a format ends at a zero byte.
local function format_of(value, count)
    return match(checks.text(value, 1, count), "^%Z*")
end

local struct = {}

function struct.pack(...)
    -- Redis appends a nil to the arguments, which stands for the first missing one.
    local count = select("#", ...) + 1
    local given = {...}
    local form = format_of(given[1], count - 1)
    local out, n, total = {}, 0, 0
    local at, is_little, align, argument = 1, true, 1, 2
    while at <= #form do
        local option = sub(form, at, at)
        local size
        size, at = size_of(form, option, at + 1)
        local pad = padding(total, align, option, size)
        if pad > 0 then
            n = n + 1
            out[n] = rep("\0", pad)
            total = total + pad
        end
        local data
        if option == "c" or option == "s" then
            data = checks.text(given[argument], argument, count)
            argument = argument + 1
            if size == 0 then
                size = #data
            elseif #data < size then
                bad_argument(argument, "string too short")
            end
            data = sub(data, 1, size)
            if option == "s" then
                data = data .. "\0"
                size = size + 1
            end
        elseif option == "x" then
            data = "\0"
        elseif SIZES[option] or option == "i" or option == "I" then
            local value = checks.number(given[argument], argument, count)
            argument = argument + 1
            if option == "d" then
                data = numbers.double(value)
            elseif option == "f" then
                data = numbers.float(value)
            else
                local high, low = numbers.halves(value)
                data = numbers.bytes(high, low, size)
            end
            if is_little then
                data = reverse(data)
            end
        else
            at, is_little, align = control(form, option, at, is_little, align)
        end
        if data then
            n = n + 1
            out[n] = data
        end
        total = total + size
    end
    return concat(out, "", 1, n)
end

local function integer_of(data, option, is_little)
    local high, low = numbers.halves_of_bytes(is_little and reverse(data) or data)
    if option == "b" or option == "h" or option == "l" or option == "i" then
        return numbers.signed(high, low, (8 * #data - 1) % 64)
    end
    return numbers.unsigned(high, low)
end

function struct.unpack(...)
    local count = select("#", ...)
    local first, data, pos = ...
    local form = format_of(first, count)
    data = checks.text(data, 2, count)
    pos = pos == nil and 1 or checks.integer(pos, 3, count)
    if pos == 0 then
        bad_argument(3, "offset must be 1 or greater")
    end
    pos = pos - 1
    local length = #data
    local found, n = {}, 0
    local at, is_little, align = 1, true, 1
    while at <= #form do
        local option = sub(form, at, at)
        local size
        size, at = size_of(form, option, at + 1)
        pos = pos + padding(pos, align, option, size)
        -- In C a negative offset becomes a very large one.
        if size > length or pos < 0 or pos > length - size then
            bad_argument(2, "data string too short")
        end
        if n + count + 2 > RESULTS then
            fail("stack overflow (too many results)")
        end
        if option == "c" then
            if size == 0 then
                local before = n > 0 and tonumber(found[n])
                if not before then
                    fail("format 'c0' needs a previous size")
                end
                n = n - 1
                size = numbers.unsigned(numbers.halves(before))
                if size > length or pos > length - size then
                    bad_argument(2, "data string too short")
                end
            end
            n = n + 1
            found[n] = sub(data, pos + 1, pos + size)
        elseif option == "s" then
            local stop = find(data, "\0", pos + 1, true)
            if not stop then
                fail("unfinished string in data")
            end
            n = n + 1
            found[n] = sub(data, pos + 1, stop - 1)
            size = stop - pos
        elseif option ~= "x" and (SIZES[option] or option == "i" or option == "I") then
            local part = sub(data, pos + 1, pos + size)
            n = n + 1
            if option == "d" then
                found[n] = numbers.double_of_bytes(is_little and reverse(part) or part)
            elseif option == "f" then
                found[n] = numbers.float_of_bytes(is_little and reverse(part) or part)
            else
                found[n] = integer_of(part, option, is_little)
            end
        elseif option ~= "x" then
            at, is_little, align = control(form, option, at, is_little, align)
        end
        pos = pos + size
    end
    found[n + 1] = pos + 1
    return unpack(found)
end

function struct.size(...)
    local form = format_of((...), select("#", ...))
    local at, is_little, align, pos = 1, true, 1, 0
    while at <= #form do
        local option = sub(form, at, at)
        local size
        size, at = size_of(form, option, at + 1)
        pos = pos + padding(pos, align, option, size)
        if option == "s" then
            bad_argument(1, "option 's' has no fixed size")
        elseif option == "c" and size == 0 then
            bad_argument(1, "option 'c0' has no fixed size")
        elseif not find(option, "%w") then
            at, is_little, align = control(form, option, at, is_little, align)
        end
        pos = pos + size
    end
    return pos
end

return checks.name(struct)
