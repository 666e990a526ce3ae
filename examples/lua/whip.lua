-- WHIP (RFC 9725) by hand: an offer with all candidates by POST, an answer, and a DELETE at the end.
pc:setLocalDescription(pc:createOffer())
local offer = pc:gathered("5s")

metric.start("post")
local answer = http.post(session.url, offer.sdp, {
  headers = {["Content-Type"] = "application/sdp"},
  bearer = session.token,
})
metric.stop("post")
if answer.status ~= 201 then
  error(("expected 201 Created, got %d: %.80s"):format(answer.status, answer.body))
end
local resource = answer.headers.location
if not resource:match("^https?://") then -- relative to the end point
  resource = session.url:match("^(https?://[^/]+)") .. resource
end
pc:setRemoteDescription{type = "answer", sdp = answer.body}

function on_leave()
  http.request{method = "DELETE", url = resource, bearer = session.token}
end
