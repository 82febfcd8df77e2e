// SPDX-License-Identifier: MIT
// Node's ws beside weir::ws: ws_peer.mjs MODULE serve PORT-FILE | ask PORT [deflate] [no_context]
// [window=BITS].

import { createRequire } from 'node:module';
import { randomBytes } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';

const [module, role, where, ...words] = process.argv.slice(2);
const { WebSocket, WebSocketServer } = createRequire(import.meta.url)(module);

const settings = { threshold: 0 };
for (const word of words) {
  if (word === 'no_context') {
    settings.serverNoContextTakeover = settings.clientNoContextTakeover = true;
  } else if (word.startsWith('window=')) {
    settings.serverMaxWindowBits = settings.clientMaxWindowBits = Number(word.slice(7));
  }
}
const perMessageDeflate = words.includes('deflate') ? settings : false;

function fail(what) {
  console.log(what);
  process.exit(1);
}

function serve() {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate }, () => {
    writeFileSync(`${where}.new`, `${server.address().port}\n`);
    renameSync(`${where}.new`, where);
  });
  server.on('connection', (end) => {
    end.on('message', (data, isBinary) => end.send(data, { binary: isBinary }));
  });
}

function ask() {
  const end = new WebSocket(`ws://127.0.0.1:${where}/echo`, { perMessageDeflate });
  const wanted = [];
  const send = (data, binary) => {
    wanted.push([data, binary]);
    end.send(data, { binary });
  };
  end.on('error', (error) => fail(`${error}`));
  end.on('open', () => {
    const agreed = end.extensions.includes('permessage-deflate');
    if (agreed !== (perMessageDeflate !== false)) fail(`extensions: '${end.extensions}'`);
    for (const size of [0, 1, 125, 126, 127, 4032, 65535, 65536, 300000, 2000000]) {
      send(randomBytes(size), true);
      send(Buffer.alloc(size, 'weir '), false);
    }
    wanted.push([Buffer.from('in parts'), false]);
    end.send('in', { fin: false, binary: false });
    end.send(' parts', { fin: true, binary: false });
    end.ping('payload');
  });
  end.on('message', (data, isBinary) => {
    const [text, binary] = wanted.shift();
    if (!data.equals(text) || isBinary !== binary) fail(`${data.length} bytes, ${text.length} sent`);
    if (wanted.length === 0) end.close(4321, 'enough');
  });
  let ponged = false;
  end.on('pong', (data) => { ponged = data.toString() === 'payload'; });
  end.on('close', (code) => {
    if (code !== 4321 || !ponged || wanted.length !== 0) fail(`closed with ${code}`);
  });
}

if (role === 'serve') serve(); else ask();
