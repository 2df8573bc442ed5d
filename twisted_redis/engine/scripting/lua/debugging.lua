-- The debugger's part in Lua: the hook for lines, and what looks into the frames of the script.  Only interpreters for
-- debugging have it.  Frames of our own code are left out everywhere, because they stand for functions in C.

local debugger, behind, checks, compiled, caught, error_table, global = ...

local type, next, tostring, tonumber, select, rawget, rawset, pcall, error =
    type, next, tostring, tonumber, select, rawget, rawset, pcall, error
local getinfo, getlocal, getmetatable = debug.getinfo, debug.getlocal, debug.getmetatable
local format, find, concat = string.format, string.find, table.concat
local is_own = checks.is_own

-- How deeply tables are shown.
local DEPTH = 10
local TOO_DEEP = "<max recursion level reached! Nested table?>"

-- Returns the address of a function, a userdata or a thread, without calling a metamethod.
local function address(v)
    local metatable = getmetatable(v)
    local own = type(metatable) == "table" and rawget(metatable, "__tostring") or nil
    if own then
        rawset(metatable, "__tostring", nil)
    end
    local text = tostring(v)
    if own then
        rawset(metatable, "__tostring", own)
    end
    return text:match("0x%x+") or text
end

-- Returns a value as text.
local function shown(v, depth)
    if depth == DEPTH then
        return TOO_DEEP
    end
    local kind = type(v)
    if kind == "string" then
        return debugger.quoted(v)
    elseif kind == "number" then
        return format("%g", v)
    elseif kind == "boolean" or kind == "nil" then
        return tostring(v)
    elseif kind ~= "table" then
        return '"' .. kind .. "@" .. address(v) .. '"'
    end
    local values, pairs_, count, is_array = {}, {}, 0, true
    for key, value in next, behind[v] or v do
        count = count + 1
        is_array = is_array and key == count
        local text = shown(value, depth + 1)
        values[count] = text
        pairs_[count] = "[" .. shown(key, depth + 1) .. "]=" .. text
    end
    return "{" .. concat(is_array and values or pairs_, "; ") .. "}"
end

-- Shows the variable of that name in the nearest frame that has one.
local function print_variable(wanted)
    local level = 3
    local where = getinfo(level, "S")
    while where do
        local place = not is_own(where) and 1
        while place do
            local name, value = getlocal(level, place)
            if name == wanted then
                debugger.show_value("<value> ", shown(value, 0))
                return
            end
            place = name and place + 1
        end
        level = level + 1
        where = getinfo(level, "S")
    end
    if wanted == "KEYS" or wanted == "ARGV" then
        debugger.show_value("<value> ", shown(global(wanted), 0))
    else
        debugger.say("No such variable.")
    end
end

-- Shows all variables of the frame that has stopped.
local function print_variables()
    local place, found = 1, false
    local name, value = getlocal(3, place)
    while name do
        if not find(name, "(*temporary)", 1, true) then
            debugger.show_value("<value> " .. name .. " = ", shown(value, 0))
            found = true
        end
        place = place + 1
        name, value = getlocal(3, place)
    end
    if not found then
        debugger.say("No local variables in the current context.")
    end
end

-- Shows the calls that have led to the line.
local function trace()
    local level = 3
    local where = getinfo(level, "Snl")
    while where do
        if find(where.short_src, "user_script", 1, true) then
            debugger.say((level == 3 and "In " or "From ") .. (where.name or "top level") .. ":")
            debugger.show_line(where.currentline)
        end
        level = level + 1
        where = getinfo(level, "Snl")
    end
end

-- Runs code that the user has typed: an expression, or else a statement.
local function evaluate(code)
    local chunk = compiled("return " .. code, "@ldb_eval")
    local problem
    if not chunk then
        chunk, problem = compiled(code, "@ldb_eval")
        if not chunk then
            debugger.say("<error> " .. problem)
            return
        end
    end
    local ok, value = pcall(chunk)
    if ok then
        debugger.show_value("<retval> ", shown(value, 0))
        return
    end
    value = caught(value)
    local is_text = type(value) == "string" or type(value) == "number"
    debugger.say("<error> " .. (is_text and value or "(error object is not a string)"))
end

local acts = {print = print_variable, locals = print_variables, trace = trace, eval = evaluate}

-- The hook: stops the script where the debugger wants it, and does what the user says.
local function hook(event)
    local where = getinfo(2, "Sl")
    if is_own(where) then
        return
    end
    local is_script = find(where.short_src, "user_script", 1, true) ~= nil
    local stops, is_late = debugger.reached(where.currentline, is_script, event == "count")
    while stops do
        local order, argument = debugger.order()
        if order == "fail" or order == "gone" and is_late then
            error(error_table(order == "fail" and argument
                or "timeout during Lua debugging with client closing connection"), 0)
        elseif acts[order] then
            acts[order](argument)
            debugger.send()
        else
            stops = false
        end
    end
end

local functions = {}

function functions.breakpoint()
    debugger.breakpoint()
    return true
end

function functions.debug(...)
    local parts = {}
    for place = 1, select("#", ...) do
        parts[place] = shown((select(place, ...)), 0)
    end
    debugger.trace_values(concat(parts, ", "))
end

return hook, functions
