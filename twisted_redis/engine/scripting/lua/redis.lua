-- The functions of `redis`, except those that libraries use only while they are loaded.

local host, numbers, spacious, error_table, debugging = ...

local type, error, select, tonumber, tostring, pairs = type, error, select, tonumber, tostring, pairs
-- `redis.call` and its like must be C functions, because a C function leaves the frame of its caller in place.
local as_function = python.as_function

local function raise(text)
    error(error_table(text), 0)
end

local redis = {call = as_function(host.call), pcall = as_function(host.pcall)}

-- Libraries see these while they are loaded, and scripts see them, too.
local general = {
    LOG_DEBUG = 0,
    LOG_VERBOSE = 1,
    LOG_NOTICE = 2,
    LOG_WARNING = 3,
    REDIS_VERSION = host.version,
    REDIS_VERSION_NUM = host.version_number,
}

-- Returns a number, or the number in a string, as the C API of Lua reads it.
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
    -- Only the interpreter of EVAL has these.
    function redis.replicate_commands()
        return true
    end

    if debugging then
        redis.breakpoint, redis.debug = debugging.breakpoint, debugging.debug
    else
        function redis.breakpoint()
            return false
        end

        function redis.debug()
        end
    end
end

return redis, general
