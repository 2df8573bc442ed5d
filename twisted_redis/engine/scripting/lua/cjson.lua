-- JSON for scripts: the functions, defaults and errors of the cjson library in Redis.

local checks, real, behind = ...

local type, tonumber, select, next, rawget, ipairs = type, tonumber, select, next, rawget, ipairs
local setmetatable, error, getmetatable = setmetatable, error, debug.getmetatable
local floor, huge = math.floor, math.huge
local format, byte, sub, find, gsub, char = string.format, string.byte, string.sub, string.find, string.gsub, string.char
local match = string.match
local concat = table.concat
local fail, bad_argument = checks.fail, checks.bad_argument

local INT_MAX, INT_MIN = 2147483647, -2147483648

-- The unique value that stands for JSON's null.
local null = newproxy(true)
getmetatable(null).__tostring = function() return "userdata: (nil)" end

-- Returns a new read-only metatable that marks a table as an array, so that it is encoded as one even if it is empty.
local function array_metatable()
    local marks = {__is_cjson_array = true}
    local shown = setmetatable({}, {
        __index = marks,
        __newindex = function() error("Attempt to modify a readonly table", 2) end,
    })
    behind[shown] = marks
    return shown
end

local function new()
    local cjson = {null = null, _NAME = "cjson", _VERSION = "2.1.0"}

    local sparse_convert, sparse_ratio, sparse_safe = false, 2, 10
    local encode_depth, decode_depth = 1000, 1000
    local number_format = "%.14g"
    local precision = 14
    local invalid_encoded, invalid_decoded = false, true
    local keep_buffer = true
    local arrays_are_marked = false

    ------------------------------------------------------------------------------------------------------------------
    -- options

    local function check_count(most, ...)
        if select("#", ...) > most then
            bad_argument(most + 1, "found too many arguments")
        end
    end

    local function check_integer(value, low, high, place)
        value = checks.int(value, place, place)
        if value < low or value > high then
            bad_argument(1, format("expected integer between %d and %d", low, high))
        end
        return value
    end

    -- Checks a setting that is on, off, a boolean or `option`; returns a boolean or `option`.
    local function check_switch(value, place, option)
        if type(value) == "boolean" then
            return value
        end
        value = checks.text(value, place, place)
        if value == "on" or value == "off" then
            return value == "on"
        elseif value ~= option then
            bad_argument(place, "invalid option '" .. match(value, "^%Z*") .. "'")
        end
        return value
    end

    function cjson.encode_sparse_array(...)
        check_count(3, ...)
        local convert, ratio, safe = ...
        if convert ~= nil then
            sparse_convert = check_switch(convert, 1)
        end
        if ratio ~= nil then
            sparse_ratio = check_integer(ratio, 0, INT_MAX, 2)
        end
        if safe ~= nil then
            sparse_safe = check_integer(safe, 0, INT_MAX, 3)
        end
        return sparse_convert, sparse_ratio, sparse_safe
    end

    function cjson.encode_max_depth(...)
        check_count(1, ...)
        if (...) ~= nil then
            encode_depth = check_integer((...), 1, INT_MAX, 1)
        end
        return encode_depth
    end

    function cjson.decode_max_depth(...)
        check_count(1, ...)
        if (...) ~= nil then
            decode_depth = check_integer((...), 1, INT_MAX, 1)
        end
        return decode_depth
    end

    function cjson.encode_number_precision(...)
        check_count(1, ...)
        if (...) ~= nil then
            precision = check_integer((...), 1, 14, 1)
            number_format = "%." .. precision .. "g"
        end
        return precision
    end

    function cjson.encode_keep_buffer(...)
        check_count(1, ...)
        if (...) ~= nil then
            keep_buffer = check_switch((...), 1)
        end
        return keep_buffer
    end

    function cjson.decode_array_with_array_mt(...)
        check_count(1, ...)
        if (...) ~= nil then
            arrays_are_marked = check_switch((...), 1)
        end
        return arrays_are_marked
    end

    function cjson.encode_invalid_numbers(...)
        check_count(1, ...)
        if (...) ~= nil then
            invalid_encoded = check_switch((...), 1, "null")
        end
        return invalid_encoded
    end

    function cjson.decode_invalid_numbers(...)
        check_count(1, ...)
        if (...) ~= nil then
            invalid_decoded = check_switch((...), 1)
        end
        return invalid_decoded
    end

    ------------------------------------------------------------------------------------------------------------------
    -- encoding

    local escapes = {['"'] = '\\"', ["\\"] = "\\\\", ["/"] = "\\/", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n",
        ["\r"] = "\\r", ["\t"] = "\\t", ["\127"] = "\\u007f"}
    for code = 0, 31 do
        local c = char(code)
        escapes[c] = escapes[c] or format("\\u%04x", code)
    end
    local unsafe = '[%z\1-\31"\\/\127]'

    local function encode_string(s)
        if find(s, unsafe) then
            s = gsub(s, unsafe, escapes)
        end
        return '"' .. s .. '"'
    end

    local function encode_number(n)
        if n ~= n or n == huge or n == -huge then
            if invalid_encoded == false then
                fail("Cannot serialise number: must not be NaN or Inf")
            elseif invalid_encoded == "null" then
                return "null"
            end
            return n ~= n and "nan" or n > 0 and "inf" or "-inf"
        end
        return format(number_format, n)
    end

    -- Returns the largest index if `t` is encoded as an array, or nil.  In C the index is an int, and one that is too
    -- large becomes negative.  A table with such an index is an object, unless a smaller index follows.
    local function array_size(t)
        local largest, items = 0, 0
        for key in next, t do
            if type(key) ~= "number" or key < 1 or key ~= floor(key) then
                return nil
            end
            if key > largest then
                largest = key <= INT_MAX and key or INT_MIN
            end
            items = items + 1
        end
        if sparse_ratio > 0 and largest > items * sparse_ratio and largest > sparse_safe then
            if not sparse_convert then
                fail("Cannot serialise table: excessively sparse array")
            end
            return nil
        end
        return largest
    end

    local encode_value

    local function encode_table(t, out, n, depth)
        depth = depth + 1
        if depth > encode_depth then
            fail("Cannot serialise, excessive nesting (" .. depth .. ")")
        end
        local metatable = getmetatable(t)
        local is_array = metatable and metatable.__is_cjson_array
        t = real(t)
        local size = is_array and #t or not is_array and array_size(t)
        if is_array or size and size > 0 then
            n = n + 1
            out[n] = "["
            for i = 1, size do
                if i > 1 then
                    n = n + 1
                    out[n] = ","
                end
                n = encode_value(rawget(t, i), out, n, depth)
            end
            n = n + 1
            out[n] = "]"
            return n
        end
        n = n + 1
        out[n] = "{"
        local first = true
        for key, value in next, t do
            if not first then
                n = n + 1
                out[n] = ","
            end
            first = false
            local kind = type(key)
            if kind == "string" then
                out[n + 1] = encode_string(key)
            elseif kind == "number" then
                out[n + 1] = '"' .. encode_number(key) .. '"'
            else
                fail("Cannot serialise " .. kind .. ": table key must be a number or string")
            end
            out[n + 2] = ":"
            n = encode_value(value, out, n + 2, depth)
        end
        n = n + 1
        out[n] = "}"
        return n
    end

    function encode_value(value, out, n, depth)
        local kind = type(value)
        if kind == "string" then
            out[n + 1] = encode_string(value)
        elseif kind == "number" then
            out[n + 1] = encode_number(value)
        elseif kind == "boolean" then
            out[n + 1] = value and "true" or "false"
        elseif kind == "table" then
            return encode_table(value, out, n, depth)
        elseif kind == "nil" or value == null then
            out[n + 1] = "null"
        else
            fail("Cannot serialise " .. kind .. ": type not supported")
        end
        return n + 1
    end

    function cjson.encode(...)
        if select("#", ...) ~= 1 then
            bad_argument(1, "expected 1 argument")
        end
        local out = {}
        local n = encode_value((...), out, 0, 0)
        return concat(out, "", 1, n)
    end

    ------------------------------------------------------------------------------------------------------------------
    -- decoding

    local unescapes = {['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t"}

    -- Returns the number at `at` as C's strtod reads it, and the position after it; nil if there is none.
    local function strtod(text, at)
        local sign, begin = match(text, "^([+-]?)()", at)
        local found = match(text, "^0[xX]%x+%.?%x*", begin) or match(text, "^0[xX]%.%x+", begin)
        if found then
            found = found .. (match(text, "^[pP][+-]?%d+", begin + #found) or "")
        else
            found = match(text, "^%d+%.?%d*", begin) or match(text, "^%.%d+", begin)
            if found then
                found = found .. (match(text, "^[eE][+-]?%d+", begin + #found) or "")
            end
        end
        if found then
            local number = tonumber(found)
            return sign == "-" and -number or number, begin + #found
        end
        local word = sub(text, begin, begin + 7):lower()
        for _, name in ipairs {"infinity", "inf", "nan"} do
            if sub(word, 1, #name) == name then
                local number = name == "nan" and -(0 / 0) or huge
                return sign == "-" and -number or number, begin + #name
            end
        end
        return nil
    end

    -- True if the text at `at` is a number that JSON does not allow.
    local function is_invalid_number(text, at)
        if byte(text, at) == 43 then
            return true
        end
        local begin = byte(text, at) == 45 and at + 1 or at
        if find(text, "^0", begin) then
            return find(text, "^0[xX%d]", begin) ~= nil
        end
        local word = sub(text, begin, begin + 2):lower()
        return word == "inf" or word == "nan"
    end

    local function token_at(text, at)
        at = find(text, "[^ \t\r\n]", at)
        if not at then
            return "T_END", #text + 1
        end
        local c = sub(text, at, at)
        local simple = {["{"] = "T_OBJ_BEGIN", ["}"] = "T_OBJ_END", ["["] = "T_ARR_BEGIN", ["]"] = "T_ARR_END",
            [","] = "T_COMMA", [":"] = "T_COLON", ['"'] = "T_STRING"}
        if simple[c] then
            return simple[c], at
        end
        if find(text, "^true", at) or find(text, "^false", at) then
            return "T_BOOLEAN", at
        end
        if find(text, "^null", at) then
            return "T_NULL", at
        end
        local odd = is_invalid_number(text, at)
        if find(c, "[%-%d]") and (invalid_decoded or not odd) or invalid_decoded and odd then
            return strtod(text, at) and "T_NUMBER" or "invalid number", at
        end
        return find(c, "[%-%d]") and "invalid number" or "invalid token", at
    end

    local function utf8(code)
        if code < 0x80 then
            return char(code)
        elseif code < 0x800 then
            return char(0xC0 + floor(code / 64), 0x80 + code % 64)
        elseif code < 0x10000 then
            return char(0xE0 + floor(code / 4096), 0x80 + floor(code / 64) % 64, 0x80 + code % 64)
        end
        return char(0xF0 + floor(code / 262144), 0x80 + floor(code / 4096) % 64, 0x80 + floor(code / 64) % 64,
            0x80 + code % 64)
    end

    -- The token that was expected at a place where an invalid string is found.
    local expecting = "value"

    local function bad_string(problem, place)
        fail(format("Expected %s but found %s at character %d", expecting, problem, place))
    end

    -- Returns the string whose opening quote is just before `at`, and the position after its closing quote.
    local function decode_string(text, at)
        local begin = at
        local stop = find(text, '["\\]', at)
        if stop and byte(text, stop) == 34 then
            return sub(text, at, stop - 1), stop + 1
        end
        local parts = {}
        while true do
            stop = find(text, '["\\]', at)
            if not stop then
                bad_string("unexpected end of string", #text + 1)
            end
            parts[#parts + 1] = sub(text, at, stop - 1)
            local c = byte(text, stop)
            if c == 34 then
                return concat(parts), stop + 1
            end
            local escaped = sub(text, stop + 1, stop + 1)
            if escaped == "u" then
                local hex = text:match("^%x%x%x%x", stop + 2)
                if not hex then
                    bad_string("invalid unicode escape code", stop)
                end
                local code = tonumber(hex, 16)
                at = stop + 6
                if code >= 0xD800 and code < 0xDC00 then
                    local low = text:match("^\\u(%x%x%x%x)", at)
                    low = low and tonumber(low, 16)
                    if not low or low < 0xDC00 or low > 0xDFFF then
                        bad_string("invalid unicode escape code", stop)
                    end
                    code = 0x10000 + (code - 0xD800) * 1024 + (low - 0xDC00)
                    at = at + 6
                elseif code >= 0xDC00 and code < 0xE000 then
                    bad_string("invalid unicode escape code", stop)
                end
                parts[#parts + 1] = utf8(code)
            else
                local plain = unescapes[escaped]
                if not plain then
                    bad_string("invalid escape code", stop)
                end
                parts[#parts + 1] = plain
                at = stop + 2
            end
        end
    end

    local decode_value

    local function expected(what, text, at)
        local token, place = token_at(text, at)
        if token == "T_STRING" then
            expecting = what
            decode_string(text, place + 1)
        end
        fail(format("Expected %s but found %s at character %d", what, token, place))
    end

    local function too_deep(at, depth)
        fail("Found too many nested data structures (" .. depth .. ") at character " .. at - 1)
    end

    local function decode_array(text, at, depth)
        if depth > decode_depth then
            too_deep(at, depth)
        end
        local t, n = {}, 0
        if arrays_are_marked then
            setmetatable(t, array_metatable())
        end
        at = find(text, "[^ \t\r\n]", at)
        if at and byte(text, at) == 93 then
            return t, at + 1
        end
        while true do
            n = n + 1
            t[n], at = decode_value(text, at or #text + 1, depth)
            at = find(text, "[^ \t\r\n]", at)
            local c = at and byte(text, at)
            if c == 93 then
                return t, at + 1
            elseif c ~= 44 then
                expected("comma or array end", text, at or #text + 1)
            end
            at = at + 1
        end
    end

    local function decode_object(text, at, depth)
        if depth > decode_depth then
            too_deep(at, depth)
        end
        local t = {}
        at = find(text, "[^ \t\r\n]", at)
        if at and byte(text, at) == 125 then
            return t, at + 1
        end
        while true do
            at = find(text, "[^ \t\r\n]", at or #text + 1)
            if not at or byte(text, at) ~= 34 then
                expected("object key string", text, at or #text + 1)
            end
            local key
            expecting = "object key string"
            key, at = decode_string(text, at + 1)
            expecting = "value"
            at = find(text, "[^ \t\r\n]", at)
            if not at or byte(text, at) ~= 58 then
                expected("colon", text, at or #text + 1)
            end
            t[key], at = decode_value(text, at + 1, depth)
            at = find(text, "[^ \t\r\n]", at)
            local c = at and byte(text, at)
            if c == 125 then
                return t, at + 1
            elseif c ~= 44 then
                expected("comma or object end", text, at or #text + 1)
            end
            at = at + 1
        end
    end

    function decode_value(text, at, depth)
        at = find(text, "[^ \t\r\n]", at)
        local c = at and byte(text, at)
        if c == 34 then
            return decode_string(text, at + 1)
        elseif c == 123 then
            return decode_object(text, at + 1, depth + 1)
        elseif c == 91 then
            return decode_array(text, at + 1, depth + 1)
        elseif c == nil then
            expected("value", text, #text + 1)
        elseif c == 116 and find(text, "^true", at) then
            return true, at + 4
        elseif c == 102 and find(text, "^false", at) then
            return false, at + 5
        elseif c == 110 and find(text, "^null", at) then
            return null, at + 4
        end
        local odd = is_invalid_number(text, at)
        local number, behind
        if not find(text, "^[-%d]", at) then
            if not (invalid_decoded and odd) then
                expected("value", text, at)
            end
            number, behind = strtod(text, at)
        elseif invalid_decoded or not odd then
            number, behind = strtod(text, at)
        end
        if number == nil then
            fail("Expected value but found invalid number at character " .. at)
        end
        return number, behind
    end

    function cjson.decode(...)
        if select("#", ...) ~= 1 then
            bad_argument(1, "expected 1 argument")
        end
        local text = checks.text((...), 1, 1)
        if #text > 1 and (byte(text, 1) == 0 or byte(text, 2) == 0) then
            fail("JSON parser does not support UTF-16 or UTF-32")
        end
        -- As in C, a text ends at a zero byte.
        text = match(text, "^%Z*")
        expecting = "value"
        local value, at = decode_value(text, 1, 0)
        if find(text, "[^ \t\r\n]", at) then
            expected("the end", text, at)
        end
        return value
    end

    cjson.new = new
    return checks.name(cjson)
end

return new()
