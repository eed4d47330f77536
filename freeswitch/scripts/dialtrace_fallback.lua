-- Runs when no worker answered in time: takes the number's own ready-made plan from this node's disk.
-- Accepts digits only, opens one small file, sets dialtrace_plan and dialtrace_fallback. Format: docs/architecture.md.
local function known(name) return session:getVariable(name) or "" end
local digits, call, step, result = known("dialtrace_dialled"), known("uuid"), known("dialtrace_step"), known("dialtrace_result")
local spool = freeswitch.getGlobalVariable("dialtrace_spool") or ""
session:setVariable("dialtrace_fallback", "no_plan")
if not digits:match("^%d+$") or #digits > 15 or not call:match("^[%x-]+$") then return end
local file = io.open(spool .. "/plans/" .. digits:sub(-3) .. "/" .. digits .. ".plan", "r")
if not file then return end

-- Where the call stands, the nearest first; each for what the caller said to being recorded, then for anybody.
local consent = known("dialtrace_consent")
if consent == "" then consent = "none" end
local rank, ranks = {}, 0
local function want(point)
  rank[point .. "/" .. consent], rank[point], ranks = ranks + 1, ranks + 2, ranks + 2
end
if step == "" then want("start") elseif result ~= "" then want(step .. "=" .. result) end
if step ~= "" then want(step) end
want("ring")

local now, best, found = os.time(), ranks + 1, nil
for line in file:lines() do
  local from, till, point, plan = line:match("^(%d+) (%d+) (%S+) (%S+)$")
  if from and (rank[point] or best) < best and tonumber(from) <= now and now < tonumber(till) then
    best, found = rank[point], plan
  end
end
file:close()
if not found then return end

-- The marks of a plan that was made ahead: the call's own words, and the recordings that it has begun so far.
local segments = tonumber(known("dialtrace_segments"):match("^%d%d?%d?$") or "0")
local started = tonumber(known("dialtrace_started"):match("^(%d+)%d%d%d%d%d%d$") or "") or now
local function recordings(count)
  local names = {}
  for n = 1, segments + count do names[n] = call .. "-" .. n .. ".wav" end
  return table.concat(names, ",")
end
found = found:gsub("@SEG(%d)@", function(n) return string.format("%d", segments + tonumber(n)) end)
found = found:gsub("@RECORDINGS(%d)@", function(n) return recordings(tonumber(n)) end)
for mark, name in pairs({["@TAGS@"] = "dialtrace_tags", ["@VARIABLES@"] = "dialtrace_variables"}) do
  local before = known(name):match("^[%w_.@,-]+$")
  found = found:gsub(mark, before and before .. "," or "")
end
found = found:gsub("@CALL@", call):gsub("@DAY@", os.date("!%Y%m%d", started)):gsub("@NOW@", string.format("%d", now))
session:setVariable("dialtrace_plan", found)
session:setVariable("dialtrace_fallback", "plan")
