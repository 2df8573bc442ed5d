-- What a script may see and touch.  Run once in a new interpreter, with the functions of the host; it returns the entry
-- points that the host calls.  `rooms` has the files beside this one that belong to it, as functions.
--
-- Lua 5.1 knows no tables that cannot be written.  So scripts get empty tables in their place, whose metatables read
-- from the real ones and refuse to be written, and the few functions that look behind metatables know of them.
-- `redis.call` is a function of the host and no function in Lua: one that is called in `return redis.call(...)` would
-- take the frame of its caller, and errors could not tell the line.

local host, libraries, numbers, checks, behind, rooms = ...

local SELF = debug.getinfo(1, "S").source
-- Where an error of Lua's own was raised if it was in here.
local HERE = "^%[%l+%]:%d+: "
local READONLY = "Attempt to modify a readonly table"

local type, error, select, tostring, next, pairs = type, error, select, tostring, next, pairs
local setmetatable, getmetatable, rawget, rawset = setmetatable, getmetatable, rawget, rawset
local pcall, xpcall, unpack, loadstring, setfenv = pcall, xpcall, unpack, loadstring, setfenv
local debug, coroutine, string, table = debug, coroutine, string, table
local getinfo, sethook = debug.getinfo, debug.sethook
local fail, bad_argument, is_type = checks.fail, checks.bad_argument, checks.is_type
local is_own = checks.is_own

-- The interpreter's own name for where strings look up their methods.
local string_metatable = getmetatable("")
-- Objects of the host: what it raises is such.
local host_metatable = debug.getmetatable(host.tick)

---------------------------------------------------------------------------------------------------------------------
-- tables that cannot be written: `behind` has, by what scripts hold, the table itself

local metatables = setmetatable({}, {__mode = "k"})  -- what scripts hold -> its metatable, as scripts may see it
local writable = setmetatable({}, {__mode = "k"})  -- of what scripts hold, that which they may write
local hosts = {}  -- the functions by which the host runs scripts

local function refuse()
    error(READONLY, 2)
end

-- A face of `t` that reads, and cannot be written.
local function face(t)
    local shown = setmetatable({}, {__index = t, __newindex = refuse})
    behind[shown] = t
    return shown
end

local function safe_next(t, key)
    return next(behind[t] or t, key)
end

---------------------------------------------------------------------------------------------------------------------
-- errors

-- An error that the host raised arrives as an object of the host; what scripts are to see is a table.
local function caught(e)
    if type(e) == "string" then
        -- Raised by a function of Lua's own that was called from here: where this is helps nobody.
        e = e:gsub(HERE, "")
        -- The one thing that may go wrong on the way to the host.
        return (e:gsub("bad argument #1 to '[^']*' %(not a python object%)$", "too many arguments"))
    elseif type(e) ~= "userdata" or debug.getmetatable(e) ~= host_metatable then
        return e
    end
    local text, counted = host.failure(e)
    return {err = text, ignore_error_stats_update = counted}
end

-- Adds to an error where it was raised: the frame of the script that is nearest, or the one below a function in C that
-- has raised it.  What a script calls is such a function, whether it is written in C or here.
local function located(e)
    local level = 2
    local where = getinfo(level, "Slf")
    if where and where.what == "C" then
        level = level + 1
        where = getinfo(level, "Slf")
    end
    local has_own, is_lost, called = false, false, nil
    while where and (is_own(where) or has_own and where.what == "tail") do
        -- A function of ours that was called last has taken the frame of the script.
        is_lost = is_lost or where.what == "tail"
        if where.what ~= "tail" then
            called = where.func
        end
        has_own = true
        level = level + 1
        where = getinfo(level, "Slf")
    end
    if where and type(e) == "string" then
        e = e:gsub(HERE, where.currentline > 0 and where.short_src .. ":" .. where.currentline .. ": " or "")
    end
    e = caught(e)
    local lost = "=(tail call)"
    if type(e) ~= "table" then
        if e ~= READONLY then
            -- Its text would begin with the place.
            lost = "=(lost)"
        end
        e = {err = "ERR " .. tostring(e)}
    end
    if where then
        e.source = where.currentline < 0 and is_lost and lost .. checks.name_of(called) or where.source
        e.line = where.currentline
    end
    return e
end

-- The error table of a text: with `-CODE text` the code is taken from it, otherwise it is ERR.
local function error_table(text)
    if text:sub(1, 1) == "-" then
        local code, rest = text:match("^%-([^ ]*) (.*)$")
        if code then
            text = rest
        else
            code, text = "ERR", text:sub(2)
        end
        return {err = code .. " " .. text:gsub("^[\r\n]+", ""):gsub("[\r\n]+$", "")}
    end
    return {err = "ERR " .. text:gsub("^[\r\n]+", ""):gsub("[\r\n]+$", "")}
end

-- As Redis has it, `pcall` gives the text of an error, not the table.
local function plain(ok, ...)
    if ok then
        return ok, ...
    end
    local e = caught((...))
    if type(e) == "table" then
        local text = e.err
        if type(text) == "string" or type(text) == "number" then
            e = text
        end
    end
    return false, e
end

local function uncaught(ok, ...)
    if ok then
        return ok, ...
    end
    return false, caught((...))
end

---------------------------------------------------------------------------------------------------------------------
-- time

local ended  -- why the script has to end

-- Ends the script: from the kill on called at every line, so that no pcall outlives it.
local function kill()
    if getinfo(2, "S").source ~= SELF then
        error(error_table(ended), 0)
    end
end

-- Called by the interpreter every so many instructions: lets the host look at the clock.
local function hook()
    ended = host.tick()
    if ended then
        sethook(kill, "l")
        kill()
    end
end

local INSTRUCTIONS = 100000

---------------------------------------------------------------------------------------------------------------------
-- the globals

local G = {}

for _, name in ipairs {
    "tostring", "assert", "tonumber", "rawequal", "collectgarbage", "type", "select", "gcinfo", "ipairs", "_VERSION",
    "error",
} do
    G[name] = _G[name]
end

local function integer(value, place, count, default)
    if value == nil then
        return default
    end
    return checks.int(value, place, count)
end

-- By functions of the host that take any number of arguments: their like that hand them over in a table.
local spacious = {}
-- A call of the host has room for a few arguments less than Lua has.
local ROOM = 7900

-- Prepares the frame that has called `unpack` for so many results: the function of the host that waits there for its
-- arguments is replaced by its like.
local function make_room()
    local where = getinfo(3, "S")
    local at = where.what ~= "tail" and where.what ~= "C" and 1
    while at do
        local name, value = debug.getlocal(3, at)
        if name == "(*temporary)" and spacious[value] then
            debug.setlocal(3, at, spacious[value])
        end
        at = name and at + 1
    end
end

function G.unpack(...)
    local count = select("#", ...)
    local t, first, last = ...
    is_type(t, 1, count, "table")
    if count == 1 then
        if #t > ROOM then
            make_room()
        end
        return unpack(t)
    end
    first, last = integer(first, 2, count, 1), integer(last, 3, count, #t)
    -- Lua 5.1 counts the results in an int, which overflows, and has room for 8,000 values.
    if last - first + 1 + count > 8000 then
        fail("too many results to unpack")
    elseif last - first > ROOM then
        make_room()
    end
    return unpack(t, first, last)
end

function G.next(t, key)
    if type(t) ~= "table" then
        checks.bad_type(1, "table", t, t ~= nil)
    end
    return next(behind[t] or t, key)
end

function G.pairs(...)
    local t = ...
    if type(t) ~= "table" then
        is_type(t, 1, select("#", ...), "table")
    elseif behind[t] then
        return safe_next, t, nil
    end
    return pairs(t)
end

function G.rawget(...)
    local count = select("#", ...)
    local t, key = ...
    if type(t) ~= "table" then
        is_type(t, 1, count, "table")
    elseif count < 2 then
        bad_argument(2, "value expected")
    end
    return rawget(behind[t] or t, key)
end

function G.rawset(...)
    local count = select("#", ...)
    local t, key, value = ...
    is_type(t, 1, count, "table")
    if count < 3 then
        bad_argument(count + 1, "value expected")
    end
    if writable[t] then
        t[key] = value
        return t
    elseif behind[t] then
        error(READONLY, 0)
    end
    return rawset(t, key, value)
end

function G.setmetatable(...)
    local count = select("#", ...)
    local t, metatable = ...
    is_type(t, 1, count, "table")
    if metatable ~= nil and type(metatable) ~= "table" or count < 2 then
        bad_argument(2, "nil or table expected")
    end
    if behind[t] then
        error(READONLY, 0)
    end
    return setmetatable(t, metatable)
end

function G.pcall(...)
    if select("#", ...) == 0 then
        return false, "attempt to call a boolean value"
    end
    return plain(pcall(...))
end

function G.xpcall(...)
    local f, handler = ...
    if select("#", ...) < 2 then
        bad_argument(2, "value expected")
    end
    return uncaught(xpcall(f, function(e) return handler(caught(e)) end))
end

-- A chunk that begins with the globals of scripts, or nothing and what is wrong.
local function compiled(text, name)
    -- Compiled code is not checked by the interpreter, so it is not taken.
    if text:byte(1) == 27 then
        return nil, "bytecode is not allowed"
    end
    if is_own {source = name} then
        name = "=?"
    end
    local chunk, problem = loadstring(text, name)
    return chunk and setfenv(chunk, host.environment), problem
end

function G.loadstring(...)
    local count = select("#", ...)
    local text, name = ...
    text = checks.text(text, 1, count)
    return compiled(text, name == nil and text or checks.text(name, 2, count))
end

function G.load(...)
    local count = select("#", ...)
    local read, name = ...
    is_type(read, 1, count, "function")
    name = name == nil and "=(load)" or checks.text(name, 2, count)
    local parts = {}
    while true do
        local ok, part = plain(pcall(read))
        if not ok then
            return nil, part
        elseif part == nil or part == "" then
            break
        elseif type(part) ~= "string" and type(part) ~= "number" then
            return nil, "reader function must return a string"
        end
        parts[#parts + 1] = part
    end
    return compiled(table.concat(parts), name)
end

local tables = {}
for name, value in pairs(table) do
    tables[name] = value
end

local insert = table.insert

function tables.insert(...)
    local count = select("#", ...)
    local t, at, value = ...
    if type(t) ~= "table" then
        is_type(t, 1, count, "table")
    elseif behind[t] then
        error(READONLY, 0)
    elseif count == 2 then
        return insert(t, at)
    elseif count ~= 3 then
        fail("wrong number of arguments to 'insert'")
    end
    return insert(t, checks.int(at, 2, count), value)
end

for _, name in ipairs {"foreach", "foreachi"} do
    local walk = table[name]
    tables[name] = function(...)
        local count = select("#", ...)
        local t, f = ...
        is_type(t, 1, count, "table")
        is_type(f, 2, count, "function")
        return walk(behind[t] or t, f)
    end
end

local threads = {}
for name, value in pairs(coroutine) do
    threads[name] = value
end

local function thread_of(...)
    local f = ...
    local ok, thread = pcall(coroutine.create, f)
    if not ok or checks.is_native(f) then
        bad_argument(1, "Lua function expected")
    end
    sethook(thread, hook, "", INSTRUCTIONS)
    return thread
end

threads.create = thread_of

function threads.wrap(f)
    local thread = thread_of(f)
    local function passed(ok, ...)
        if not ok then
            local e = caught((...))
            if type(e) == "string" then
                fail(e)
            end
            error(e, 0)
        end
        return ...
    end
    return function(...)
        return passed(coroutine.resume(thread, ...))
    end
end

function threads.resume(...)
    if type((...)) ~= "thread" then
        bad_argument(1, "coroutine expected")
    end
    return uncaught(coroutine.resume(...))
end

---------------------------------------------------------------------------------------------------------------------
-- what scripts hold in their hands

for name, f in pairs(rooms.environments(host, checks, behind, writable, metatables, hosts)) do
    G[name] = f
end
local maths = rooms.maths(checks)
local redis, general = rooms.redis(host, numbers, spacious, error_table)
for name, value in pairs {string = string, table = tables, math = maths, coroutine = threads, redis = redis} do
    G[name] = face(value)
end
for name, library in pairs(libraries) do
    G[name] = face(library)
end
G.os = face({clock = os.clock})

metatables[string_metatable] = face({__index = G.string})

-- What stands behind the globals: the language and the libraries, or, while a library is loaded, less.
local function nonexistent(_, name)
    if type(name) ~= "string" and type(name) ~= "number" then
        error("Second argument to luaProtectedTableError must be a string or number", 2)
    end
    error("Script attempted to access nonexistent global variable '" .. tostring(name):match("^%Z*") .. "'", 2)
end

local missing = {__index = nonexistent}
setmetatable(G, missing)

local environment_metatable = {__index = G, __newindex = refuse}
local environment = setmetatable({}, environment_metatable)
behind[environment] = G
metatables[environment] = face({__index = nonexistent})
G._G = environment
-- Redis has its handler of errors among the globals.
G.__redis__err__handler = located
checks.name(G)
for _, library in pairs {tables, maths, threads, redis} do
    checks.name(library)
end

local entry, result, information = rooms.results(caught)
entry.load = rooms.loading(general, face, compiled, caught, information, error_table, environment_metatable, missing)

---------------------------------------------------------------------------------------------------------------------
-- running

local function split(count, ...)
    local total = select("#", ...)
    if count == total then
        return {...}, {}
    elseif count == 0 then
        return {}, {...}
    end
    local all, keys, rest = {...}, {}, {}
    for i = 1, count do
        keys[i] = all[i]
    end
    for i = count + 1, total do
        rest[i - count] = all[i]
    end
    return keys, rest
end

-- Runs a script with its keys and arguments as globals.
function entry.eval(script, count, ...)
    G.KEYS, G.ARGV = split(count, ...)
    return result(xpcall(script, located))
end

-- The same where there are too many arguments for a call.
function entry.eval_tables(script, keys, arguments)
    G.KEYS, G.ARGV = keys, arguments
    return result(xpcall(script, located))
end

function entry.call_tables(f, keys, arguments)
    return result(xpcall(function() return f(keys, arguments) end, located))
end

-- Runs a function of a library.
function entry.call(f, count, ...)
    local keys, arguments = split(count, ...)
    return result(xpcall(function() return f(keys, arguments) end, located))
end

-- Ends what a kill has begun: the next script begins with a hook that counts again.
function entry.calm()
    sethook(hook, "", INSTRUCTIONS)
end

for _, name in ipairs {"eval", "eval_tables", "call", "call_tables"} do
    hosts[entry[name]] = true
end

function entry.compile(code, name)
    local f, problem = G.loadstring(code, name)
    if f then
        return f
    end
    return nil, problem
end

function entry.memory()
    return collectgarbage("count") * 1024
end

function entry.collect()
    collectgarbage("collect")
end

host.environment = environment
-- What was needed to get here goes, so that memory tells what scripts take.
collectgarbage()
-- A collection begins when a third has been added: memory counts more here than the last of speed.
collectgarbage("setpause", 133)
sethook(hook, "", INSTRUCTIONS)

return entry
