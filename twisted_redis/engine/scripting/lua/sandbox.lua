-- What a script may see and touch.  Run once in a new interpreter, with the functions of the host; it returns the entry
-- points that the host calls.
--
-- Lua 5.1 knows no tables that cannot be written.  So scripts get empty tables in their place, whose metatables read
-- from the real ones and refuse to be written, and the few functions that look behind metatables know of them.
-- `redis.call` is a function of the host and no function in Lua: one that is called in `return redis.call(...)` would
-- take the frame of its caller, and errors could not tell the line.

local host, libraries, numbers, checks, behind = ...

local SELF = debug.getinfo(1, "S").source
-- Where an error of Lua's own was raised if it was in here.
local HERE = "^%[%l+%]:%d+: "
local READONLY = "Attempt to modify a readonly table"

local type, error, select, tostring, tonumber, next, pairs = type, error, select, tostring, tonumber, next, pairs
local setmetatable, getmetatable, rawget, rawset = setmetatable, getmetatable, rawget, rawset
local pcall, xpcall, unpack, loadstring = pcall, xpcall, unpack, loadstring
local getfenv, setfenv, newproxy = getfenv, setfenv, newproxy
local floor = math.floor
local debug, coroutine, string, table = debug, coroutine, string, table
local getinfo, sethook = debug.getinfo, debug.sethook
local fail, bad_argument, is_type = checks.fail, checks.bad_argument, checks.is_type
local is_own = checks.is_own

-- The interpreter's own name for where strings look up their methods.
local string_metatable = getmetatable("")
-- The globals of the interpreter, which are none of a script's business.
local INTERPRETER = _G
-- Objects of the host: what it raises is such.
local host_metatable = debug.getmetatable(host.tick)
-- What scripts call themselves has to be a function, and a function in C at that, which leaves the caller its frame.
local as_function = python.as_function

---------------------------------------------------------------------------------------------------------------------
-- tables that cannot be written: `behind` has, by what scripts hold, the table itself

local metatables = setmetatable({}, {__mode = "k"})  -- what scripts hold -> its metatable, as scripts may see it

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

local function raise(text)
    error(error_table(text), 0)
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

local proxies = setmetatable({}, {__mode = "k"})  -- metatables of proxies -> what scripts hold in their place
local writable = setmetatable({}, {__mode = "k"})  -- of what scripts hold, that which they may write

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

function G.getmetatable(...)
    local t = ...
    if select("#", ...) == 0 then
        bad_argument(1, "value expected")
    end
    local kind = type(t)
    if kind == "userdata" then
        local metatable = getmetatable(t)
        if type(metatable) == "table" and debug.getmetatable(t) == metatable then
            return proxies[metatable]
        end
        return metatable
    elseif kind == "string" then
        return metatables[string_metatable]
    elseif behind[t] then
        return metatables[t]
    end
    return getmetatable(t)
end

-- A proxy whose metatable scripts may write, but for a finalizer: that would run at any time, outside of scripts too.
function G.newproxy(...)
    local like = ...
    if select("#", ...) == 0 or like == nil or like == false then
        return newproxy()
    end
    if like ~= true and not (type(like) == "userdata" and proxies[debug.getmetatable(like)]) then
        bad_argument(1, "boolean or proxy expected")
    end
    local proxy = newproxy(like)
    if like == true then
        local metatable = debug.getmetatable(proxy)
        local shown = {}
        proxies[metatable] = setmetatable(shown, {
            __index = metatable,
            __newindex = function(_, key, value)
                if key == "__gc" then
                    rawset(shown, key, value)
                else
                    metatable[key] = value
                end
            end,
        })
        behind[shown], writable[shown] = metatable, true
    end
    return proxy
end

-- The function at a level that a script has given; none where a call has taken the frame of its caller, which Lua does
-- not see.  A function in C that was called from here is one with ours, and below the last one stands the host.
local hosts = {}  -- the functions by which the host runs scripts

local function at_level(value, place)
    local wanted = checks.int(value, place, place)
    if wanted < 0 then
        bad_argument(place, "level must be non-negative")
    end
    local level, func = 2, nil
    for _ = 1, wanted do
        local where
        repeat
            level = level + 1
            where = getinfo(level, "Sf")
        until not where or not is_own(where)
        if not where or where.func == xpcall and hosts[getinfo(level + 1, "f").func] then
            bad_argument(place, "invalid level")
        end
        func = where.func
    end
    return func, wanted
end

function G.getfenv(...)
    local f = ...
    if type(f) ~= "function" then
        local level
        f, level = at_level(f == nil and 1 or f, 1)
        if level == 0 then
            return host.environment
        elseif not f and level > 1 then
            fail("no function environment for tail call at level " .. level)
        end
    end
    local found = f and getfenv(f)
    -- Functions in C have the globals, as scripts know them.
    return (found == nil or found == INTERPRETER) and host.environment or found
end

function G.setfenv(...)
    local count = select("#", ...)
    local f, environment = ...
    is_type(environment, 2, count, "table")
    if type(f) ~= "function" then
        local level
        f, level = at_level(f, 1)
        if not f and level > 1 then
            fail("no function environment for tail call at level " .. level)
        elseif not f and level == 1 then
            -- Called last, for a function that has ended with it.
            return
        end
        -- 0 would change what all scripts see.
        f = level > 0 and f
    end
    if not f or getfenv(f) == INTERPRETER then
        fail("'setfenv' cannot change environment of given object")
    end
    return setfenv(f, environment)
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

-- The generator of drand48, so that a seed gives the same numbers as in Redis.  A state of 48 bits in three parts.
local x0, x1, x2 = 0x330E, 0xABCD, 0x1234

local function lrand48()
    local a0, a1, a2 = 0xE66D, 0xDEEC, 5
    local p0 = a0 * x0 + 0xB
    local p1 = a0 * x1 + a1 * x0 + floor(p0 / 65536)
    local p2 = a0 * x2 + a1 * x1 + a2 * x0 + floor(p1 / 65536)
    x0, x1, x2 = p0 % 65536, p1 % 65536, p2 % 65536
    return x2 * 32768 + floor(x1 / 2)
end

local maths = {}
for name, value in pairs(math) do
    maths[name] = value
end

function maths.random(...)
    local count = select("#", ...)
    local r = (lrand48() % 2147483647) / 2147483647
    if count == 0 then
        return r
    end
    if count > 2 then
        fail("wrong number of arguments")
    end
    local low, high = ...
    low = checks.int(low, 1, count)
    if count == 1 then
        low, high = 1, low
    else
        high = checks.int(high, 2, count)
    end
    if low > high then
        bad_argument(count, "interval is empty")
    end
    return floor(r * (high - low + 1)) + low
end

function maths.randomseed(...)
    local seed = checks.int((...), 1, select("#", ...)) % 4294967296
    x0, x1, x2 = 0x330E, seed % 65536, floor(seed / 65536)
end

---------------------------------------------------------------------------------------------------------------------
-- redis

local redis = {call = as_function(host.call), pcall = as_function(host.pcall)}

-- What libraries have while they are loaded, and scripts too.
local general = {
    LOG_DEBUG = 0,
    LOG_VERBOSE = 1,
    LOG_NOTICE = 2,
    LOG_WARNING = 3,
    REDIS_VERSION = host.version,
    REDIS_VERSION_NUM = host.version_number,
}

-- A number, or a string that is one, as Lua's interface for C gives it.
local function number_of(value)
    return (type(value) == "number" or type(value) == "string") and tonumber(value) or nil
end

function general.log(...)
    local count = select("#", ...)
    if count < 2 then
        raise("redis.log() requires two arguments or more.")
    end
    local level = number_of((...))
    if not level then
        raise("First argument must be a number (log level).")
    end
    level = numbers.int32(level)
    if level < 0 or level > 3 then
        raise("Invalid log level.")
    end
    local parts = {}
    for i = 2, count do
        local part = select(i, ...)
        if type(part) == "string" or type(part) == "number" then
            parts[#parts + 1] = tostring(part)
        end
    end
    host.log(level, table.concat(parts, " "))
end

for name, value in pairs(general) do
    redis[name] = value
end

function redis.error_reply(...)
    local text = ...
    if select("#", ...) ~= 1 or type(text) ~= "string" then
        return error_table("wrong number or type of arguments")
    end
    text = text:match("^%Z*")
    if text:sub(1, 1) ~= "-" then
        text = "-" .. text
    end
    return error_table(text)
end

function redis.status_reply(...)
    local text = ...
    if select("#", ...) ~= 1 or type(text) ~= "string" then
        return error_table("wrong number or type of arguments")
    end
    return {ok = text}
end

function redis.sha1hex(...)
    if select("#", ...) ~= 1 then
        raise("wrong number of arguments")
    end
    local text = ...
    if type(text) ~= "string" then
        text = type(text) == "number" and tostring(text) or ""
    end
    return host.sha1hex(text)
end

function redis.setresp(...)
    if select("#", ...) ~= 1 then
        raise("redis.setresp() requires one argument.")
    end
    local version = numbers.int32(number_of((...)) or 0)
    if version ~= 2 and version ~= 3 then
        raise("RESP version must be 2 or 3.")
    end
    host.setresp(version)
end

redis.REPL_NONE, redis.REPL_AOF, redis.REPL_SLAVE, redis.REPL_REPLICA, redis.REPL_ALL = 0, 1, 2, 2, 3

function redis.set_repl(...)
    if select("#", ...) ~= 1 then
        raise("redis.set_repl() requires one argument.")
    end
    local flags = numbers.int32(number_of((...)) or 0)
    if flags < 0 or flags > 3 then
        raise("Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.")
    end
    host.set_repl(flags)
end

redis.acl_check_cmd = as_function(host.acl_check_cmd)

for name, from_table in pairs {call = host.call_spread, pcall = host.pcall_spread, acl_check_cmd = host.acl_spread} do
    local take = as_function(from_table)
    spacious[redis[name]] = function(...)
        local result = take({...}, select("#", ...))
        return result
    end
end

if host.is_eval then
    -- The interpreter of EVAL.
    function redis.replicate_commands()
        return true
    end

    -- There is no debugger to stop in.
    function redis.breakpoint()
        return false
    end

    function redis.debug()
    end
end

---------------------------------------------------------------------------------------------------------------------
-- what scripts hold in their hands

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

---------------------------------------------------------------------------------------------------------------------
-- results: a flat stream of tokens, so that a few calls carry them over whatever they are

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

-- What an error tells: whether it could be read, text, source, line, whether it is counted.  It may be a table whose
-- metatable fails.
local function information(e)
    local ok, text, source, line, counted = pcall(fields, e)
    if not ok then
        local problem = caught(text)
        return false, "ERR " .. (type(problem) == "string" and problem or "unreadable error"), nil, nil, false
    end
    return true, text, source, line, counted
end

local linear

local function linear_table(v, out, n, depth)
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
        -- The host has integers for what is whole, which know no -0.
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

-- The result of a run: a plain value as it is, a status as (0, text), an error as (false, text, source, line, counted),
-- all else as (true, number of tokens, their table).
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
        return true, linear(v, out, 0, 0), out
    end
    if type(v) ~= "table" then
        -- Handling the error has failed: so ends a script whose error table cannot be written.
        return false, "ERR Error running script " .. tostring(v), nil, nil, false
    end
    local _, text, source, line, counted = information(v)
    return false, text, source, line, counted
end

local entry = {}

function entry.tokens(out, first, last)
    return unpack(out, first, last)
end

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

for _, f in pairs(entry) do
    hosts[f] = true
end

function entry.compile(code, name)
    local f, problem = G.loadstring(code, name)
    if f then
        return f
    end
    return nil, problem
end

---------------------------------------------------------------------------------------------------------------------
-- loading libraries of functions

local load_redis = setmetatable(general, missing)
local loading = setmetatable({redis = face(load_redis)}, missing)
local register

function general.register_function(...)
    if not register then
        raise("redis.register_function can only be called on FUNCTION LOAD command")
    end
    local count = select("#", ...)
    if count < 1 or count > 2 then
        raise("wrong number of arguments to redis.register_function")
    end
    local name, description, callback, flags = nil, nil, nil, {}
    if count == 2 then
        name, callback = ...
        if type(name) ~= "string" and type(name) ~= "number" then
            raise("first argument to redis.register_function must be a string")
        end
        if type(callback) ~= "function" then
            raise("second argument to redis.register_function must be a function")
        end
    else
        local named = ...
        if type(named) ~= "table" then
            raise("calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).")
        end
        for key, value in next, named do
            if type(key) ~= "string" and type(key) ~= "number" then
                raise("named argument key given to redis.register_function is not a string")
            end
            key = tostring(key):lower()
            if key == "function_name" then
                if type(value) ~= "string" and type(value) ~= "number" then
                    raise("function_name argument given to redis.register_function must be a string")
                end
                name = value
            elseif key == "description" then
                if type(value) ~= "string" and type(value) ~= "number" then
                    raise("description argument given to redis.register_function must be a string")
                end
                description = tostring(value)
            elseif key == "callback" then
                if type(value) ~= "function" then
                    raise("callback argument given to redis.register_function must be a function")
                end
                callback = value
            elseif key == "flags" then
                if type(value) ~= "table" then
                    raise("flags argument to redis.register_function must be a table representing function flags")
                end
                for _, flag in ipairs(value) do
                    if type(flag) ~= "string" and type(flag) ~= "number" then
                        raise("unknown flag given")
                    end
                    flags[#flags + 1] = tostring(flag)
                end
            else
                raise("unknown argument given to redis.register_function")
            end
        end
        if not name then
            raise("redis.register_function must get a function name argument")
        end
        if not callback then
            raise("redis.register_function must get a callback argument")
        end
    end
    local problem = register(tostring(name), callback, description, table.concat(flags, ","))
    if problem then
        raise(problem)
    end
end

-- Runs the code of a library, which registers its functions by `take`; nil, or the text of the error.
function entry.load(code, take)
    local library, problem = G.loadstring(code, "@user_function")
    if not library then
        return "Error compiling function: " .. problem
    end
    register = take
    environment_metatable.__index = loading
    local ok, e = pcall(library)
    environment_metatable.__index = G
    register = nil
    if ok then
        return nil
    end
    e = caught(e)
    if type(e) == "table" then
        local _, text = information(e)
        return "Error registering functions: " .. tostring(text)
    end
    return "Error registering functions: ERR " .. tostring(e)
end

function entry.memory()
    return collectgarbage("count") * 1024
end

function entry.collect()
    collectgarbage("collect")
end

function entry.error(text, counted)
    return {err = text, ignore_error_stats_update = counted}
end

function entry.ok()
    return {ok = "OK"}
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

function entry.big(text)
    return {big_number = text}
end

function entry.verbatim(format, text)
    return {verbatim_string = {format = format, string = text}}
end

host.environment = environment
-- What was needed to get here goes, so that memory tells what scripts take.
collectgarbage()
-- A collection begins when a third has been added: memory counts more here than the last of speed.
collectgarbage("setpause", 133)
sethook(hook, "", INSTRUCTIONS)

return entry
