-- A script of wrk: every request is drawn at random from the tenants of a file.
--
--   wrk -s load.lua URL -- MODE PATH TARGETS SEED BODY
--
-- MODE is get, page, post or put; PATH a collection, as in /v1/sample_customers. A line of
-- TARGETS is an account, its API key and ids of its records. BODY is a format, in which
-- each %06d becomes the same random number. Prints one line: `result` and JSON.

local mode, path, template
local tenants = {}
local random, format = math.random, string.format

local function draw(list)
    return list[random(#list)]
end

local function read(file)
    for line in io.lines(file) do
        local words = {}
        for word in line:gmatch("%S+") do words[#words + 1] = word end
        local head = format(
            " HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n"
                .. "Authorization: Bearer %s\r\nX-Account: %s\r\n",
            words[2], words[1])
        tenants[#tenants + 1] = { head = head, ids = { unpack(words, 3) } }
    end
end

local build = {}

function build.get(tenant)
    return "GET " .. path .. "/" .. draw(tenant.ids) .. tenant.head .. "\r\n"
end

function build.page(tenant)
    return "GET " .. path .. "?limit=50" .. tenant.head .. "\r\n"
end

local function with_body(line, tenant)
    local number = random(0, 999999)
    local body = format(template, number, number)
    return line .. tenant.head .. "Content-Type: application/json\r\nContent-Length: "
        .. #body .. "\r\n\r\n" .. body
end

function build.post(tenant)
    return with_body("POST " .. path, tenant)
end

function build.put(tenant)
    return with_body("PUT " .. path .. "/" .. draw(tenant.ids), tenant)
end

function init(arguments)
    mode, path, template = arguments[1], arguments[2], arguments[5]
    read(arguments[3])
    math.randomseed(tonumber(arguments[4]))
end

function request()
    return build[mode](draw(tenants))
end

function done(summary, latency)
    local errors = summary.errors
    print(format(
        'result {"requests": %d, "seconds": %.6f, "p50_us": %d, "p99_us": %d,'
            .. ' "refused": %d, "errors": %d}',
        summary.requests, summary.duration / 1e6,
        latency:percentile(50), latency:percentile(99), errors.status,
        errors.connect + errors.read + errors.write + errors.timeout))
end
