-- The sandbox, which defines what scripts may see and change.  It runs once in a new interpreter, gets the functions of
-- the host, and returns the entry points for the host.  `rooms` has the other files of the sandbox as functions.
--
-- Lua 5.1 has no read-only tables.  So scripts get empty tables whose metatables read from the real ones and refuse
-- writes.  The few functions that bypass metatables know these tables.
-- `redis.call` is a function of the host, not a Lua function: a Lua function in `return redis.call(...)` would be a
-- tail call and replace the frame of its caller, so errors could not show the line.

local host, libraries, numbers, checks, behind, rooms = ...

local SELF = debug.getinfo(1, "S").source
-- The place of an error that a Lua function raised when our own code called it.
local HERE = "^%[%l+%]:%d+: "
local READONLY = "Attempt to modify a readonly table"

local type, error, select, tostring, next, pairs = type, error, select, tostring, next, pairs
local setmetatable, getmetatable, rawget, rawset = setmetatable, getmetatable, rawget, rawset
local pcall, xpcall, unpack, loadstring, setfenv = pcall, xpcall, unpack, loadstring, setfenv
local debug, coroutine, string, table = debug, coroutine, string, table
local getinfo, sethook = debug.getinfo, debug.sethook
local fail, bad_argument, is_type = checks.fail, checks.bad_argument, checks.is_type
local is_own = checks.is_own

-- The interpreter's own metatable of strings, where it looks up their methods.
local string_metatable = getmetatable("")
-- The metatable of the host's objects, including the errors that it raises.
local host_metatable = debug.getmetatable(host.tick)

---------------------------------------------------------------------------------------------------------------------
-- read-only tables: `behind` maps what scripts hold to the real table

local metatables = setmetatable({}, {__mode = "k"})  -- what scripts hold -> its metatable, as scripts may see it
local writable = setmetatable({}, {__mode = "k"})  -- the tables among them that scripts may write
local hosts = {}  -- the functions by which the host runs scripts

local function refuse()
    error(READONLY, 2)
end

-- Returns a read-only view of `t`.
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

-- Converts an error for scripts: an error of the host arrives as a host object, and scripts get a table.
local function caught(e)
    if type(e) == "string" then
        -- A Lua function that our own code called has raised it, so its place is useless.
        e = e:gsub(HERE, "")
        -- This is the only error that can occur on the way to the host.
        return (e:gsub("bad argument #1 to '[^']*' %(not a python object%)$", "too many arguments"))
    elseif type(e) ~= "userdata" or debug.getmetatable(e) ~= host_metatable then
        return e
    end
    local text, counted = host.failure(e)
    return {err = text, ignore_error_stats_update = counted}
end

-- Adds to an error the place where it was raised: the nearest frame of the script, or the frame below the C function
-- that raised it.  A function that scripts call counts as a C function, even if it is written in Lua.
local function located(e)
    local level = 2
    local where = getinfo(level, "Slf")
    if where and where.what == "C" then
        level = level + 1
        where = getinfo(level, "Slf")
    end
    local has_own, is_lost, called = false, false, nil
    while where and (is_own(where) or has_own and where.what == "tail") do
        -- One of our functions made a tail call from the script and replaced its frame.
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
            -- The text of this error would begin with its place.
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

-- Returns the error table of a text: `-CODE text` contains the code, otherwise it is ERR.
local function error_table(text)
    if host.debugger then
        host.debugger.failed(text)
    end
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

-- Makes `pcall` return the text of an error instead of the table, as in Redis.
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

local ended  -- the error text that ends the script

-- Ends the script.  After a kill it is called at every line, so that no pcall can catch it for good.
local function kill()
    if getinfo(2, "S").source ~= SELF then
        error(error_table(ended), 0)
    end
end

-- Lets the host check the time; the interpreter calls it every `INSTRUCTIONS` instructions.
local function hook()
    ended = host.tick()
    if ended then
        sethook(kill, "l")
        kill()
    end
end

local INSTRUCTIONS = 100000
-- The events for which the hook is called, besides the count: none, or each line under the debugger.
local EVENTS = host.debugger and "l" or ""

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

-- For each function of the host that takes any number of arguments, the variant that passes them in a table.
local spacious = {}
-- The most results of `unpack` that fit into a call of the host, which has a little less room than Lua.
local ROOM = 7900

-- Prepares the frame that called `unpack` for many results: replaces the function of the host that waits there for its
-- arguments by its variant that passes them in a table.
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
    -- Lua 5.1 counts the results in an int, which can overflow, and has room for 8,000 values.
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

-- Returns a chunk whose environment is the globals of scripts, or nil and the error.
local function compiled(text, name)
    -- Reject bytecode, since the interpreter does not verify it.
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
    sethook(thread, hook, EVENTS, INSTRUCTIONS)
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
-- the tables that scripts get

for name, f in pairs(rooms.environments(host, checks, behind, writable, metatables, hosts)) do
    G[name] = f
end
if not host.deprecated_api then
    G.newproxy, G.getfenv, G.setfenv = nil, nil, nil
end
local debugging
if host.debugger then
    local function global(name)
        return rawget(G, name)
    end
    hook, debugging = rooms.debugging(host.debugger, behind, checks, compiled, caught, error_table, global)
end
local maths = rooms.maths(checks)
local redis, general = rooms.redis(host, numbers, spacious, error_table, debugging)
for name, value in pairs {string = string, table = tables, math = maths, coroutine = threads, redis = redis} do
    G[name] = face(value)
end
for name, library in pairs(libraries) do
    G[name] = face(library)
end
G.os = face({clock = os.clock})

metatables[string_metatable] = face({__index = G.string})

-- The fallback for missing globals, which raises an error.
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
-- Redis also has its error handler among the globals.
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

-- Does the same for more arguments than fit into a call.
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

-- Resets the hook after a kill, so that the next script counts instructions again.
function entry.calm()
    sethook(hook, EVENTS, INSTRUCTIONS)
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
-- Free the garbage of the start, so that the memory figures show the use of scripts.
collectgarbage()
-- Start a collection when memory has grown by a third: low memory matters more here than the last bit of speed.
collectgarbage("setpause", 133)
sethook(hook, EVENTS, INSTRUCTIONS)

return entry
