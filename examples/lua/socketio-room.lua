-- The protocol of server.js, a room server with socket.io 4, as Lua: who comes into a room is told who
-- is there, and calls them. One peer connection for each other peer of the room.
local url = session.url:gsub("/$", "") .. "/socket.io/?EIO=4&transport=websocket"
metric.start("sign-in")
local io = ws.connect(url)
local others = {} -- peer connections by the other side's id

local function emit(name, ...) -- Socket.IO: 4 is a message of Engine.IO, 2 is an event
  io:send("42" .. json.encode({name, ...}))
end

local function connection(id)
  local pc = RTCPeerConnection{label = "p2p"}
  others[id] = pc
  pc.onicecandidate = function(candidate)
    if candidate then emit("candidate", {to = id, candidate = candidate}) end
  end
  return pc
end

local on = {} -- what the server tells

function on.peers(ids) -- once we are in
  metric.stop("sign-in")
  for _, id in ipairs(ids) do
    local pc = connection(id)
    pc:setLocalDescription(pc:createOffer())
    emit("offer", {to = id, sdp = pc.localDescription})
  end
end

function on.offer(message)
  local pc = connection(message.from)
  pc:setRemoteDescription(message.sdp)
  pc:setLocalDescription(pc:createAnswer())
  emit("answer", {to = message.from, sdp = pc.localDescription})
  metric.count("answered")
end

function on.answer(message) others[message.from]:setRemoteDescription(message.sdp) end
function on.candidate(message) others[message.from]:addIceCandidate(message.candidate) end
function on.full(room) error("the room " .. room .. " is full") end

function on_leave() emit("leave") end

for text in io:messages() do
  local kind, body = text:match("^(%d+)(.*)$")
  if kind == "0" then io:send("40")                           -- open: connect to the namespace /
  elseif kind == "40" then emit("join", session.room, session.name)
  elseif kind == "2" then io:send("3")                        -- ping
  elseif kind == "41" or kind == "44" then error("refused: " .. body)
  elseif kind == "42" then
    local event = json.decode(body)
    if on[event[1]] then on[event[1]](event[2]) end
  end
end
error("the server closed the connection")
