-- Runs when no worker answered in time: takes the number's own ready-made plan from this node's disk.
-- Accepts digits only, opens one small file, sets dialtrace_plan and dialtrace_fallback. Format: docs/architecture.md.
local digits = session:getVariable("dialtrace_dialled") or ""
local call = session:getVariable("uuid") or ""
local spool = freeswitch.getGlobalVariable("dialtrace_spool") or ""
local kind = session:getVariable("dialtrace_step") and "ring" or "start"
session:setVariable("dialtrace_fallback", "no_plan")
if not digits:match("^%d+$") or #digits > 15 or not call:match("^[%x-]+$") then return end
local file = io.open(spool .. "/plans/" .. digits:sub(-3) .. "/" .. digits .. ".plan", "r")
if not file then return end
local now = os.time()
for line in file:lines() do
  local from, till, of, plan = line:match("^(%d+) (%d+) (%a+) (%S+)$")
  if from and tonumber(from) <= now and now < tonumber(till) and of == kind then
    plan = plan:gsub("@CALL@", call):gsub("@DAY@", os.date("!%Y%m%d", now))
    session:setVariable("dialtrace_plan", plan)
    session:setVariable("dialtrace_fallback", "plan")
    break
  end
end
file:close()
