-- Loads a library of functions: defines what its code may see, and how it registers its functions.

local general, shown, compiled, caught, information, error_table, environment_metatable, missing = ...

local type, next, error, select, tostring, ipairs, pcall = type, next, error, select, tostring, ipairs, pcall
local setmetatable, concat = setmetatable, table.concat

local function raise(text)
    error(error_table(text), 0)
end

local load_redis = setmetatable(general, missing)
local loading = setmetatable({redis = shown(load_redis)}, missing)
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
    local problem = register(tostring(name), callback, description, concat(flags, ","))
    if problem then
        raise(problem)
    end
end

-- Runs the code of a library, which registers its functions by `take`; returns nil or the text of an error.
local function load(code, take)
    local library, problem = compiled(code, "@user_function")
    if not library then
        return "Error compiling function: " .. problem
    end
    register = take
    local globals = environment_metatable.__index
    environment_metatable.__index = loading
    local ok, e = pcall(library)
    environment_metatable.__index = globals
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

return load
