-- Errors and checks of arguments as functions in C have them.  What a script calls is written in Lua here, and must
-- not show it: an error tells where in the script the function was called, and by which name.

local numbers, SANDBOX = ...

local error, type, tonumber, tostring, pairs = error, type, tonumber, tostring, pairs
local getinfo = debug.getinfo
local LIBRARY = getinfo(1, "S").source

local C = {}

-- By functions that scripts call: their own names.
local names = setmetatable({}, {__mode = "k"})

-- Whether a frame is one of ours.
local function is_own(where)
    return where.source == LIBRARY or where.source == SANDBOX
end
C.is_own = is_own

-- Remembers the names of the functions of a library.
function C.name(library)
    for name, f in pairs(library) do
        if type(f) == "function" then
            names[f] = name
        end
    end
    return library
end

-- The level of the function that the script has called, and what stands below it.
local function entered()
    local level = 3
    local next_level = level + 1
    local below = getinfo(next_level, "Sl")
    while below do
        if is_own(below) then
            level = next_level
        elseif below.what ~= "tail" then
            break
        end
        -- Our functions call one another last, too.
        next_level = next_level + 1
        below = getinfo(next_level, "Sl")
    end
    return level - 1, getinfo(level + 1, "Sl")
end

-- Where the script has called: `chunk:line: `, or nothing where a function in C has.  A call that has taken the frame of
-- its caller cannot be placed: then it is the next frame of a script.
local function place(level, below)
    while below and below.what == "tail" do
        level = level + 1
        below = getinfo(level + 2, "Sl")
    end
    if below and below.currentline > 0 and not is_own(below) then
        return below.short_src .. ":" .. below.currentline .. ": "
    end
    return ""
end

-- The name of such a function, or nothing.
function C.name_of(f)
    return names[f] or ""
end

-- Whether `f` is a function that scripts take for one in C.
function C.is_native(f)
    return names[f] ~= nil
end

-- Raises an error with the place of the call.
local function fail(text)
    error(place(entered()) .. text, 0)
end
C.fail = fail

-- Raises an error about the argument at `number`.
local function bad_argument(number, text)
    local level, below = entered()
    local called = getinfo(level, "nf")
    local name = called.name
    if called.namewhat == "method" then
        number = number - 1
        if number == 0 then
            error(place(level, below) .. "calling '" .. name .. "' on bad self (" .. text .. ")", 0)
        end
    elseif not name then
        name = below and below.what == "tail" and names[called.func] or "?"
    end
    error(place(level, below) .. "bad argument #" .. number .. " to '" .. name .. "' (" .. text .. ")", 0)
end
C.bad_argument = bad_argument

-- Raises an error about the type of an argument; `is_given` is false where there is none.
local function bad_type(number, expected, value, is_given)
    bad_argument(number, expected .. " expected, got " .. (is_given and type(value) or "no value"))
end
C.bad_type = bad_type

-- The arguments `value` at `number` of functions that take `count` of them.
function C.number(value, number, count)
    if type(value) == "number" then
        return value
    end
    local found = type(value) == "string" and tonumber(value)
    if not found then
        bad_type(number, "number", value, number <= count)
    end
    return found
end

function C.integer(value, number, count)
    return numbers.int64(C.number(value, number, count))
end

function C.int(value, number, count)
    return numbers.int32_of_int64(C.number(value, number, count))
end

function C.text(value, number, count)
    if type(value) == "string" then
        return value
    elseif type(value) == "number" then
        return tostring(value)
    end
    bad_type(number, "string", value, number <= count)
end

function C.is_type(value, number, count, expected)
    if type(value) ~= expected then
        bad_type(number, expected, value, number <= count)
    end
end

return C
