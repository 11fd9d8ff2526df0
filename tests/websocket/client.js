// A WebSocket client that runs every case of the fuzzing server behind the URL given, and asks it for its report at
// the end; ws from npm. CA names the file with the CA that is trusted.
const fs = require("fs");
const WebSocket = require("ws");

const base = process.argv[2];
const limits = { maxPayload: 64 << 20, maxFragments: 1 << 20, maxBufferedChunks: 1 << 20 };
const options = { perMessageDeflate: true, ca: fs.readFileSync(process.env.CA), servername: "localhost", ...limits };

// Opens one connection; resolves with the last message once it is closed.
function visit(path, echo) {
  return new Promise((resolve) => {
    let last;
    const socket = new WebSocket(`${base}${path}`, options);
    socket.on("message", (data, binary) => {
      last = data;
      if (echo) socket.send(data, { binary });
    });
    socket.on("error", (error) => {
      if (!echo) console.error(`${path}: ${error}`);
    });
    socket.on("close", () => resolve(last));
  });
}

async function main() {
  const count = Number(await visit("/getCaseCount", false));
  for (let number = 1; number <= count; number += 1) {
    await visit(`/runCase?case=${number}&agent=ws`, true);
  }
  await visit("/updateReports?agent=ws", false);
}

main();
