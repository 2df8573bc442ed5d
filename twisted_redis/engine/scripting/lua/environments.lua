-- Metatables of proxies and environments of functions.  Without limits on these, scripts could leave the sandbox.

local host, checks, behind, writable, metatables, hosts = ...

local type, select, setmetatable, getmetatable, rawset = type, select, setmetatable, getmetatable, rawset
local getfenv, setfenv, newproxy, xpcall = getfenv, setfenv, newproxy, xpcall
local debug, getinfo = debug, debug.getinfo
local fail, bad_argument = checks.fail, checks.bad_argument
local is_type, is_own = checks.is_type, checks.is_own

-- The interpreter's own metatable of strings, where it looks up their methods.
local string_metatable = getmetatable("")
-- The interpreter's globals, which scripts must not reach.
local INTERPRETER = _G

local G = {}
local proxies = setmetatable({}, {__mode = "k"})  -- metatables of proxies -> the tables that scripts get instead

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

-- Scripts may change the metatable of a proxy, but not its finalizer: it would run at any time, even between scripts.
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

-- Returns the function at a level that a script has given; nil if a tail call has replaced its frame, as in Lua.  A C
-- function that our code calls counts as one with it, and the last level is the one above the host.
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
    -- The environment of C functions is the globals as scripts know them.
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
            -- A tail call has replaced the function, so there is nothing to change.
            return
        end
        -- Level 0 would change the globals of all scripts.
        f = level > 0 and f
    end
    if not f or getfenv(f) == INTERPRETER then
        fail("'setfenv' cannot change environment of given object")
    end
    return setfenv(f, environment)
end

return G
