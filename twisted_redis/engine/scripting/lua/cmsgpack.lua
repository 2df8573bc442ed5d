-- MessagePack for scripts: the functions and errors of the cmsgpack library in Redis.

local numbers, checks, real = ...

local type, next, error, select, unpack, ipairs = type, next, error, select, unpack, ipairs
local byte, char, sub, concat = string.byte, string.char, string.sub, table.concat
local floor = math.floor
local fail, bad_argument = checks.fail, checks.bad_argument

local NESTING = 16
local ROOM = 8000  -- for arguments and results

-- Returns a header: up to `limit` it is `short` plus the size, otherwise the code for a size of 8, 16 or 32 bits.
local function header(size, short, limit, code8, code16, code32)
    if size <= limit then
        return char(short + size)
    elseif code8 and size < 256 then
        return char(code8, size)
    elseif size < 65536 then
        return char(code16, floor(size / 256), size % 256)
    end
    return char(code32, floor(size / 16777216), floor(size / 65536) % 256, floor(size / 256) % 256, size % 256)
end

-- Encodings of integers, each as {limit, number of bytes, code}; the integer stays below the limit in magnitude.
local POSITIVE = {{256, 1, 0xcc}, {65536, 2, 0xcd}, {4294967296, 4, 0xce}}
local NEGATIVE = {{-128, 1, 0xd0}, {-32768, 2, 0xd1}, {-2147483648, 4, 0xd2}}

local function encode_number(v)
    if v ~= floor(v) or v < -9223372036854775808 or v >= 9223372036854775808 then
        local short = numbers.float(v)
        if v == numbers.float_of_bytes(short) then
            return "\202" .. short
        end
        return "\203" .. numbers.double(v)
    end
    local high, low = numbers.halves(v)
    if v >= 0 then
        if v < 128 then
            return char(v)
        end
        for _, kind in ipairs(POSITIVE) do
            if v < kind[1] then
                return char(kind[3]) .. numbers.bytes(high, low, kind[2])
            end
        end
        return "\207" .. numbers.bytes(high, low, 8)
    elseif v >= -32 then
        return char(256 + v)
    end
    for _, kind in ipairs(NEGATIVE) do
        if v >= kind[1] then
            return char(kind[3]) .. numbers.bytes(high, low, kind[2])
        end
    end
    return "\211" .. numbers.bytes(high, low, 8)
end

local function is_array(t)
    local count, largest = 0, 0
    for key in next, t do
        if type(key) ~= "number" or key <= 0 or key ~= floor(key) or key > 2147483647 then
            return false
        end
        if key > largest then
            largest = key
        end
        count = count + 1
    end
    return largest == count
end

local function encode(v, out, n, level)
    local kind = type(v)
    if kind == "string" then
        out[n + 1] = header(#v, 0xa0, 31, 0xd9, 0xda, 0xdb)
        out[n + 2] = v
        return n + 2
    elseif kind == "number" then
        out[n + 1] = encode_number(v)
    elseif kind == "boolean" then
        out[n + 1] = v and "\195" or "\194"
    elseif kind == "table" and level < NESTING then
        v = real(v)
        if is_array(v) then
            local size = #v
            n = n + 1
            out[n] = header(size, 0x90, 15, nil, 0xdc, 0xdd)
            for i = 1, size do
                n = encode(v[i], out, n, level + 1)
            end
            return n
        end
        local size = 0
        for _ in next, v do
            size = size + 1
        end
        n = n + 1
        out[n] = header(size, 0x80, 15, nil, 0xde, 0xdf)
        for key, value in next, v do
            n = encode(value, out, encode(key, out, n, level + 1), level + 1)
        end
        return n
    else
        out[n + 1] = "\192"
    end
    return n + 1
end

local function missing()
    fail("Missing bytes in input.")
end

local function big_endian(s, at, size)
    if at + size - 1 > #s then
        missing()
    end
    local value = 0
    for i = at, at + size - 1 do
        value = value * 256 + byte(s, i)
    end
    return value, at + size
end

local decode

local function decode_array(s, at, size)
    local t = {}
    for i = 1, size do
        t[i], at = decode(s, at)
    end
    return t, at
end

local function decode_map(s, at, size)
    local t = {}
    for _ = 1, size do
        local key, value
        key, at = decode(s, at)
        value, at = decode(s, at)
        if key == nil then
            error("table index is nil", 0)
        elseif key ~= key then
            error("table index is NaN", 0)
        end
        t[key] = value
    end
    return t, at
end

local function decode_string(s, at, size)
    if at + size - 1 > #s then
        missing()
    end
    return sub(s, at, at + size - 1), at + size
end

-- Numbers with a code of their own: the number of bytes, and the function that reads them.
local numbers_of = {[0xca] = {4, numbers.float_of_bytes}, [0xcb] = {8, numbers.double_of_bytes}}
for code, kind in pairs {[0xcc] = {1, 64}, [0xcd] = {2, 64}, [0xce] = {4, 64}, [0xd0] = {1, 7}, [0xd1] = {2, 15},
    [0xd2] = {4, 31}, [0xd3] = {8, 63}, [0xcf] = {8, 63}} do
    local sign = kind[2]
    numbers_of[code] = {kind[1], function(part)
        local high, low = numbers.halves_of_bytes(part)
        return numbers.signed(high, low, sign)
    end}
end
-- Values with a size in front: the number of bytes of the size, and the function that reads the value.
local sized = {[0xd9] = {1, decode_string}, [0xda] = {2, decode_string}, [0xdb] = {4, decode_string},
    [0xdc] = {2, decode_array}, [0xdd] = {4, decode_array}, [0xde] = {2, decode_map}, [0xdf] = {4, decode_map}}

function decode(s, at)
    local code = byte(s, at)
    if not code then
        missing()
    elseif code < 0x80 then
        return code, at + 1
    elseif code < 0x90 then
        return decode_map(s, at + 1, code - 0x80)
    elseif code < 0xa0 then
        return decode_array(s, at + 1, code - 0x90)
    elseif code < 0xc0 then
        return decode_string(s, at + 1, code - 0xa0)
    elseif code >= 0xe0 then
        return code - 256, at + 1
    elseif code == 0xc0 then
        return nil, at + 1
    elseif code == 0xc2 or code == 0xc3 then
        return code == 0xc3, at + 1
    end
    local number = numbers_of[code]
    if number then
        local behind = at + number[1]
        if behind > #s then
            missing()
        end
        return number[2](sub(s, at + 1, behind)), behind + 1
    end
    local reader = sized[code]
    if reader then
        local count, behind = big_endian(s, at + 1, reader[1])
        return reader[2](s, behind, count)
    end
    fail("Bad data format in input.")
end

local cmsgpack = {
    _NAME = "cmsgpack",
    _VERSION = "lua-cmsgpack 0.4.0",
    _COPYRIGHT = "Copyright (C) 2012, Salvatore Sanfilippo",
    _DESCRIPTION = "MessagePack C implementation for Lua",
}

function cmsgpack.pack(...)
    local count = select("#", ...)
    if count == 0 then
        bad_argument(0, "MessagePack pack needs input.")
    elseif 2 * count > ROOM then
        bad_argument(0, "Too many arguments for MessagePack pack.")
    end
    local out, n = {}, 0
    for i = 1, count do
        n = encode((select(i, ...)), out, n, 0)
    end
    return concat(out, "", 1, n)
end

-- Returns up to `limit` values from `offset` on, preceded by the offset after them (-1 at the end).  If both are 0, it
-- returns all values and no offset.
local function read(s, limit, offset)
    if offset < 0 or limit < 0 then
        -- Redis also shows the length in place of the limit.
        fail("Invalid request to unpack with offset of " .. numbers.int32_of_int64(offset) .. " and limit of " .. #s .. ".")
    elseif offset > #s then
        fail("Start offset " .. numbers.int32_of_int64(offset) .. " greater than input length " .. #s .. ".")
    end
    local all = limit == 0 and offset == 0
    local found, count, at = {}, 0, offset + 1
    while at <= #s and (all or count < limit) do
        if count + 2 > ROOM then
            fail("stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)")
        end
        count = count + 1
        found[count], at = decode(s, at)
    end
    if all then
        return unpack(found, 1, count)
    end
    return at > #s and -1 or at - 1, unpack(found, 1, count)
end

function cmsgpack.unpack(...)
    return read(checks.text((...), 1, select("#", ...)), 0, 0)
end

function cmsgpack.unpack_one(...)
    local count = select("#", ...)
    local s, offset = ...
    offset = offset == nil and 0 or checks.integer(offset, 2, count)
    return read(checks.text(s, 1, count), 1, offset)
end

function cmsgpack.unpack_limit(...)
    local count = select("#", ...)
    local s, limit, offset = ...
    limit = checks.integer(limit, 2, count)
    offset = offset == nil and 0 or checks.integer(offset, 3, count)
    return read(checks.text(s, 1, count), limit, offset)
end

return checks.name(cmsgpack)
