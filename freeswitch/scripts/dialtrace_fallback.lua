-- Runs when no worker answered in time: takes the number's own ready-made plan from this node's disk.
-- Accepts digits only, opens few small files, sets dialtrace_plan and dialtrace_fallback. Formats: docs/architecture.md.
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
local pressed = result:match("^%d%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?$")
if step == "" then want("start") elseif result ~= "" then want(step .. "=" .. result) end
if step ~= "" and pressed then want(step .. "=@digits" .. #pressed) end
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

-- A call that enters is held against the block lists and limits of its client, its agency and the operator: of what was
-- let in by plans made ahead the switch's own counters know.
local owner = {}
for _, name in ipairs({"agency", "client", "number"}) do owner[name] = found:match("dialtrace_" .. name .. "=([%x-]+)") end
local function opening(more)
  return "m:~:multiset:^^;dialtrace_agency=" .. owner.agency .. ";dialtrace_client=" .. owner.client ..
    ";dialtrace_number=" .. owner.number .. ";dialtrace_decided=fallback;dialtrace_record=no" .. more
end
local function rules_of(scope)
  local rules = io.open(spool .. "/rules/" .. scope .. ".rules", "r")
  if not rules then return "" end
  local text = rules:read("*a")
  rules:close()
  return text
end
local function caller()
  local raw = known("dialtrace_caller"):gsub("^00", "+")
  if raw:match("^[1-9]%d+$") and #raw >= 11 and not (#raw == 11 and raw:match("^8")) then raw = "+" .. raw end
  return raw:match("^%+[1-9]%d+$")
end
local function lists(rules, from)
  if not from then return rules:find("\nwithheld\n", 1, true) and "caller_id" end
  if rules:find("\nnumber " .. from .. "\n", 1, true) then return "number" end
  for length = 2, #from do
    if rules:find("\nprefix " .. from:sub(1, length) .. "\n", 1, true) then return "number" end
  end
end
local function ruled()
  local whose, from, limits = {client = rules_of(owner.client), agency = rules_of(owner.agency)}, caller(), ""
  for _, rules in ipairs({whose.client, whose.agency, rules_of("operator")}) do
    local blocked = lists(rules, from)
    if blocked then
      return opening(";dialtrace_refused=blocked_" .. blocked .. ";dialtrace_blocked=" .. blocked) .. "~hangup:CALL_REJECTED"
    end
  end
  for _, scope in ipairs({"client", "agency"}) do
    for _, kind in ipairs({"calls", "rate"}) do
      local most, reason = whose[scope]:match("\n" .. kind .. " (%d+)\n"), scope .. "_" .. kind
      local mark = ";dialtrace_refused=" .. reason .. ";dialtrace_over=" .. reason
      if most == "0" then return opening(mark) .. "~hangup:USER_BUSY" end
      if most then
        limits = limits .. "~multiset:^^" .. mark .. "~limit:hash\\sfallback_" .. kind .. "\\s" .. owner[scope] .. "\\s" ..
          most .. (kind == "rate" and "/1" or "") .. "\\s!USER_BUSY"
      end
    end
  end
  if limits == "" then return found end
  return opening("") .. limits .. "~multiset:^^;dialtrace_refused=;dialtrace_over=~" .. found:sub(5)
end
if step == "" and owner.agency and owner.client and owner.number and not found:find("dialtrace_refused=", 1, true) then
  found = ruled()
end

-- The marks of a plan that was made ahead: the call's own words, and the recordings that it has begun so far.
local segments = tonumber(known("dialtrace_segments"):match("^%d%d?%d?$") or "0")
local started = tonumber(known("dialtrace_started"):match("^(%d+)%d%d%d%d%d%d$") or "") or now
local function recordings(count)
  local names = {}
  for n = 1, segments + count do names[n] = call .. "-" .. n .. ".wav" end
  return table.concat(names, ",")
end
-- What its target hears of where the caller comes from, if the sound of that is here.
local said = known("dialtrace_said") .. "," .. (found:match("dialtrace_said=([^;~]+)") or "")
local function whisper(general)
  for name, own in said:gmatch("(say%-%x+):(say%-%x+)") do
    local sound = name == general and io.open(spool .. "/prompts/" .. own .. ".wav", "r")
    if sound then
      sound:close()
      return own
    end
  end
  return general
end
found = found:gsub("@SAID:(say%-%x+)@", whisper)
found = found:gsub("@SEG(%d)@", function(n) return string.format("%d", segments + tonumber(n)) end)
found = found:gsub("@RECORDINGS(%d)@", function(n) return recordings(tonumber(n)) end)
for mark, name in pairs({["@TAGS@"] = "dialtrace_tags", ["@VARIABLES@"] = "dialtrace_variables"}) do
  local before = known(name):match("^[%w_.@,-]+$")
  found = found:gsub(mark, before and before .. "," or "")
end
found = found:gsub("@CALL@", call):gsub("@DAY@", os.date("!%Y%m%d", started)):gsub("@NOW@", string.format("%d", now))
found = found:gsub("@DIGITS@", pressed or "")
session:setVariable("dialtrace_plan", found)
session:setVariable("dialtrace_fallback", "plan")
