-- MessagePack for scripts: the functions and errors of the cmsgpack that Redis carries.

local host = ...

local type, next, error, select, tonumber, unpack = type, next, error, select, tonumber, unpack
local byte, char, sub, concat = string.byte, string.char, string.sub, table.concat
local floor = math.floor
local encode_number, decode_number = host.pack_number, host.unpack_number

-- Raises an error that tells, as those of C functions do, where its library was called.
local getinfo = debug.getinfo
local SELF = getinfo(1, "S").source

local function fail(text)
    local level = 2
    local where = getinfo(level, "Sl")
    while where and (where.source == SELF or where.what == "tail") do
        level = level + 1
        where = getinfo(level, "Sl")
    end
    if where and where.currentline > 0 then
        text = where.short_src .. ":" .. where.currentline .. ": " .. text
    end
    error(text, 0)
end

local NESTING = 16

-- A header: `short` with the size in it up to `limit`, else one of the codes for 8, 16 and 32 bits.
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

local function is_array(t)
    local count, largest = 0, 0
    for key in next, t do
        if type(key) ~= "number" or key <= 0 or key ~= floor(key) then
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
        if v >= 0 and v < 128 and v == floor(v) then
            out[n + 1] = char(v)
        else
            out[n + 1] = encode_number(v)
        end
    elseif kind == "boolean" then
        out[n + 1] = v and "\195" or "\194"
    elseif kind == "table" and level < NESTING then
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

-- Sizes in bytes of the numbers with a code of their own.
local numbers = {[0xca] = 4, [0xcb] = 8, [0xcc] = 1, [0xcd] = 2, [0xce] = 4, [0xcf] = 8, [0xd0] = 1, [0xd1] = 2,
    [0xd2] = 4, [0xd3] = 8}
-- Readers of what has a size before it, and the bytes of that size.
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
    local size = numbers[code]
    if size then
        if at + size > #s then
            missing()
        end
        return decode_number(sub(s, at, at + size)), at + size + 1
    end
    local reader = sized[code]
    if reader then
        local count, behind = big_endian(s, at + 1, reader[1])
        return reader[2](s, behind, count)
    end
    fail("Bad data format in input.")
end

local cmsgpack = {_NAME = "cmsgpack", _VERSION = "lua-cmsgpack 0.4.0", _DESCRIPTION = "MessagePack for Lua"}

function cmsgpack.pack(...)
    local count = select("#", ...)
    if count == 0 then
        error("bad argument #0 to 'pack' (MessagePack pack needs input.)", 2)
    end
    local out, n = {}, 0
    for i = 1, count do
        n = encode((select(i, ...)), out, n, 0)
    end
    return concat(out, "", 1, n)
end

local function text_of(s, name)
    if type(s) == "number" then
        return tostring(s)
    elseif type(s) ~= "string" then
        error("bad argument #1 to '" .. name .. "' (string expected, got " .. (s == nil and "no value" or type(s)) .. ")", 3)
    end
    return s
end

local function number_of(v, place, name)
    local n = tonumber(v)
    if not n then
        error("bad argument #" .. place .. " to '" .. name .. "' (number expected, got "
            .. (v == nil and "no value" or type(v)) .. ")", 3)
    end
    return n < 0 and -floor(-n) or floor(n)
end

-- Up to `limit` values from `offset` on, and the offset behind them first (-1 at the end); all of them, and no offset,
-- where both are 0.
local function read(s, limit, offset)
    if offset < 0 or limit < 0 then
        fail("Invalid request to unpack with offset of " .. offset .. " and limit of " .. #s .. ".")
    elseif offset > #s then
        fail("Start offset " .. offset .. " greater than input length " .. #s .. ".")
    end
    local all = limit == 0 and offset == 0
    local found, count, at = {}, 0, offset + 1
    while at <= #s and (all or count < limit) do
        count = count + 1
        found[count], at = decode(s, at)
    end
    if all then
        return unpack(found, 1, count)
    end
    return at > #s and -1 or at - 1, unpack(found, 1, count)
end

function cmsgpack.unpack(s)
    return read(text_of(s, "unpack"), 0, 0)
end

function cmsgpack.unpack_one(s, offset)
    return read(text_of(s, "unpack_one"), 1, offset == nil and 0 or number_of(offset, 2, "unpack_one"))
end

function cmsgpack.unpack_limit(s, limit, offset)
    return read(text_of(s, "unpack_limit"), number_of(limit, 2, "unpack_limit"),
        offset == nil and 0 or number_of(offset, 3, "unpack_limit"))
end

return cmsgpack
