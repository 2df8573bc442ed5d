-- Errors and argument checks like those of C functions.  The functions that scripts call are written in Lua, which
-- scripts must not notice: an error shows where in the script the function was called, and by which name.

local numbers, SANDBOX = ...

local error, type, tonumber, tostring, pairs = error, type, tonumber, tostring, pairs
local getinfo = debug.getinfo
local LIBRARY = getinfo(1, "S").source

local C = {}

-- The names of the functions that scripts call, by function.
local names = setmetatable({}, {__mode = "k"})

-- True if a frame belongs to our own code.
local function is_own(where)
    return where.source == LIBRARY or where.source == SANDBOX
end
C.is_own = is_own

-- Records the names of the functions of a library.
function C.name(library)
    for name, f in pairs(library) do
        if type(f) == "function" then
            names[f] = name
        end
    end
    return library
end

-- Returns the level of the function that the script called, and the frame below it.
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
        -- Our own functions make tail calls, too.
        next_level = next_level + 1
        below = getinfo(next_level, "Sl")
    end
    return level - 1, getinfo(level + 1, "Sl")
end

-- Returns the place where the script made the call, as `chunk:line: `; empty if a C function made it.  A tail call has
-- no place, since it replaces the frame of its caller.  In that case the place is that of the next frame of a script.
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

-- Returns the name of a function that scripts call, or an empty string.
function C.name_of(f)
    return names[f] or ""
end

-- True if `f` looks like a C function to scripts.
function C.is_native(f)
    return names[f] ~= nil
end

-- Raises an error that begins with the place of the call.
local function fail(text)
    error(place(entered()) .. text, 0)
end
C.fail = fail

-- Raises an error about argument `number`.
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

-- Raises an error about the type of an argument; `is_given` is false if the argument is missing.
local function bad_type(number, expected, value, is_given)
    bad_argument(number, expected .. " expected, got " .. (is_given and type(value) or "no value"))
end
C.bad_type = bad_type

-- Each check returns the argument `value` at `number` of a function that was given `count` arguments.
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
