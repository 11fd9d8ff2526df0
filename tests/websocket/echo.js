// A WebSocket service that sends back what it gets, on the port given; ws from npm, its limits raised to what the
// cases send.
const { WebSocketServer } = require("ws");

const limits = { maxPayload: 64 << 20, maxFragments: 1 << 20, maxBufferedChunks: 1 << 20 };
const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]), perMessageDeflate: true, ...limits });
server.on("connection", (socket) => {
  socket.on("error", () => {}); // the cases break the protocol on purpose
  socket.on("message", (data, binary) => socket.send(data, { binary }));
});
