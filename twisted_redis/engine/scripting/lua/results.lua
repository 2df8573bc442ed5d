-- The results of scripts: a flat stream of tokens, so that a few calls transfer a result of any size.  Also the tables
-- that represent values that Lua lacks.

local caught = ...

local type, next, pcall, rawget, tostring, unpack = type, next, pcall, rawget, tostring, unpack
local getmetatable = getmetatable

local STRING, NUMBER, TRUE, FALSE, NIL, ERROR, STATUS, DOUBLE, BIG, VERBATIM, MAP, SET, ARRAY, TOO_DEEP =
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
local DEPTH = 7000

local function text_of(value)
    if type(value) == "string" or type(value) == "number" then
        return tostring(value)
    end
end

local function fields(e)
    return text_of(e.err), text_of(e.source), text_of(e.line), e.ignore_error_stats_update == true
end

-- Returns the parts of an error: true if it could be read, text, source, line, and true if it is counted.  Reading may
-- fail, since an error can be a table whose metatable raises errors.
local function information(e)
    local ok, text, source, line, counted = pcall(fields, e)
    if not ok then
        local problem = caught(text)
        return false, "ERR " .. (type(problem) == "string" and problem or "unreadable error"), nil, nil, false
    end
    return true, text, source, line, counted
end

local linear
local deepest  -- the depth of the most deeply nested table of the result

local function linear_table(v, out, n, depth)
    if depth > deepest then
        deepest = depth
    end
    if getmetatable(v) == nil and v.err == nil and v.ok == nil and v.double == nil and v.big_number == nil
        and v.verbatim_string == nil and v.map == nil and v.set == nil then
        -- Nearly every table: an array.  Without a metatable it needs no calls of `rawget`, which take long.
        local place, count = n + 2, 0
        n = n + 2
        out[place - 1] = ARRAY
        local element = v[1]
        while element ~= nil do
            n = linear(element, out, n, depth + 1)
            count = count + 1
            element = v[count + 1]
        end
        out[place] = count
        return n
    end
    local field = rawget(v, "err")
    if type(field) == "string" then
        local _, _, _, _, counted = information(v)
        out[n + 1], out[n + 2], out[n + 3] = ERROR, field, counted
        return n + 3
    end
    field = rawget(v, "ok")
    if type(field) == "string" then
        out[n + 1], out[n + 2] = STATUS, field
        return n + 2
    end
    field = rawget(v, "double")
    if type(field) == "number" then
        -- The host gets whole numbers as integers, which have no -0.
        out[n + 1], out[n + 2] = DOUBLE, field == 0 and tostring(field) or field
        return n + 2
    end
    field = rawget(v, "big_number")
    if type(field) == "string" then
        out[n + 1], out[n + 2] = BIG, field
        return n + 2
    end
    field = rawget(v, "verbatim_string")
    if type(field) == "table" then
        local format, text = rawget(field, "format"), rawget(field, "string")
        if type(format) == "string" and type(text) == "string" then
            out[n + 1], out[n + 2], out[n + 3] = VERBATIM, format, text
            return n + 3
        end
    end
    local place, count = n + 2, 0
    n = n + 2
    field = rawget(v, "map")
    if type(field) == "table" then
        out[place - 1] = MAP
        for key, value in next, field do
            n = linear(value, out, linear(key, out, n, depth + 1), depth + 1)
            count = count + 1
        end
        out[place] = count
        return n
    end
    field = rawget(v, "set")
    if type(field) == "table" then
        out[place - 1] = SET
        for key in next, field do
            n = linear(key, out, n, depth + 1)
            count = count + 1
        end
        out[place] = count
        return n
    end
    out[place - 1] = ARRAY
    while true do
        local element = rawget(v, count + 1)
        if element == nil then
            break
        end
        n = linear(element, out, n, depth + 1)
        count = count + 1
    end
    out[place] = count
    return n
end

function linear(v, out, n, depth)
    local kind = type(v)
    if kind == "string" then
        out[n + 1], out[n + 2] = STRING, v
        return n + 2
    elseif kind == "number" then
        out[n + 1], out[n + 2] = NUMBER, v
        return n + 2
    elseif kind == "boolean" then
        out[n + 1] = v and TRUE or FALSE
        return n + 1
    elseif kind == "table" then
        if depth > DEPTH then
            out[n + 1] = TOO_DEEP
            return n + 1
        end
        return linear_table(v, out, n, depth)
    end
    out[n + 1] = NIL
    return n + 1
end

-- Returns the result of a run: a plain value as it is, a status as (0, text), an error as (false, text, source, line,
-- counted), and any other value as (true, number of tokens, table of tokens, depth of the most deeply nested table).
local function result(ok, v)
    if ok then
        if type(v) ~= "table" then
            if type(v) == "string" or type(v) == "number" or type(v) == "boolean" then
                return v
            end
            return nil
        end
        local status = rawget(v, "ok")
        if type(status) == "string" and type(rawget(v, "err")) ~= "string" then
            return 0, status
        end
        local out = {}
        deepest = 0
        local count = linear(v, out, 0, 0)
        return true, count, out, deepest
    end
    if type(v) ~= "table" then
        -- The error handler itself has failed, for example because the script's error table cannot be written.
        return false, "ERR Error running script " .. tostring(v), nil, nil, false
    end
    local _, text, source, line, counted = information(v)
    return false, text, source, line, counted
end

local entry = {}

function entry.tokens(out, first, last)
    return unpack(out, first, last)
end

function entry.error(text, counted)
    return {err = text, ignore_error_stats_update = counted}
end

-- Returns several tables, one for each of the next calls that return OK.
function entry.oks()
    local oks = {}
    for i = 1, 32 do
        oks[i] = {ok = "OK"}
    end
    return unpack(oks)
end

function entry.status(text)
    return {ok = text}
end

function entry.map(t)
    return {map = t}
end

function entry.set(t)
    return {set = t}
end

function entry.double(number)
    return {double = number}
end

-- Returns an array of (member, score) pairs: a call for each score would take several times as long.
function entry.scored(members, scores)
    local all = {}
    for i = 1, #members do
        all[i] = {members[i], {double = scores[i]}}
    end
    return all
end

function entry.big(text)
    return {big_number = text}
end

function entry.verbatim(format, text)
    return {verbatim_string = {format = format, string = text}}
end

return entry, result, information
