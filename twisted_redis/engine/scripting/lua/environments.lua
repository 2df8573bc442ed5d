-- What scripts may do with metatables of proxies and environments of functions, which would lead them to what is not theirs.

local host, checks, behind, writable, metatables, hosts = ...

local type, select, setmetatable, getmetatable, rawset = type, select, setmetatable, getmetatable, rawset
local getfenv, setfenv, newproxy, xpcall = getfenv, setfenv, newproxy, xpcall
local debug, getinfo = debug, debug.getinfo
local fail, bad_argument = checks.fail, checks.bad_argument
local is_type, is_own = checks.is_type, checks.is_own

-- The interpreter's own name for where strings look up their methods.
local string_metatable = getmetatable("")
-- The globals of the interpreter, which are none of a script's business.
local INTERPRETER = _G

local G = {}
local proxies = setmetatable({}, {__mode = "k"})  -- metatables of proxies -> what scripts hold in their place

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

return G
