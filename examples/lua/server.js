// A room server as many tutorials have it: it relays offers, answers and candidates between the peers
// of a room. npm install socket.io; node server.js [PORT] [SEATS]
const http = require("http");
const { Server } = require("socket.io");

const port = Number(process.argv[2] || 3000);
const seats = Number(process.argv[3] || 8);
const server = http.createServer((request, response) => response.end("a room server\n"));
const io = new Server(server);

io.on("connection", (socket) => {
  socket.on("join", (room, name) => {
    const peers = [...(io.sockets.adapter.rooms.get(room) || [])];
    if (peers.length >= seats) {
      socket.emit("full", room);
      return;
    }
    socket.data.name = name;
    socket.join(room);
    socket.emit("peers", peers);
  });
  for (const event of ["offer", "answer", "candidate"]) {
    socket.on(event, ({ to, ...rest }) => io.to(to).emit(event, { from: socket.id, ...rest }));
  }
  socket.on("leave", () => {
    for (const room of socket.rooms) {
      if (room !== socket.id) {
        socket.to(room).emit("left", socket.id);
        socket.leave(room);
      }
    }
  });
});

server.listen(port, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
