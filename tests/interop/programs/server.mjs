// SPDX-License-Identifier: MIT
// Node's server, for a client on weir::http: server.mjs PORT-FILE. What it answers, by path:
// /digest, /echo, /bytes/N, /chunks/N/S, /trailers, /interim, /status/N, /to-close/N, /moved/N.

import { createServer } from 'node:http';
import { writeFileSync, renameSync } from 'node:fs';
import { createHash } from 'node:crypto';

const block = Buffer.from(Array.from({ length: 65536 }, (_, i) => (i * 31 + (i >> 8)) & 255));

function pattern(size) {
  const out = Buffer.alloc(size);
  for (let i = 0; i < size; i += block.length) block.copy(out, i, 0, Math.min(block.length, size - i));
  return out;
}

const server = createServer((request, response) => {
  const [, path, first, second] = request.url.split('/');
  const size = Number(first);
  if (path === 'digest') {
    const hash = createHash('sha256');
    let total = 0;
    request.on('data', (data) => { hash.update(data); total += data.length; });
    request.on('end', () => response.end(`${request.method} ${total} ${hash.digest('hex')}`));
  } else if (path === 'echo') {
    request.pipe(response);
  } else if (path === 'bytes') {
    response.setHeader('Content-Length', size);
    response.end(pattern(size));
  } else if (path === 'chunks') {
    const all = pattern(size);
    for (let i = 0; i < size; i += Number(second)) response.write(all.subarray(i, i + Number(second)));
    response.end();
  } else if (path === 'trailers') {
    response.setHeader('Trailer', 'X-One, X-Two');
    response.write('one ');
    response.addTrailers({ 'X-One': 'first', 'X-Two': 'second' });
    response.end('two');
  } else if (path === 'interim') {
    response.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' });
    response.writeProcessing();
    response.end('hello');
  } else if (path === 'to-close') {
    request.socket.end(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\n\r\n'), pattern(size)]));
  } else if (path === 'moved') {
    response.writeHead(302, { Location: size > 1 ? `/moved/${size - 1}` : '/bytes/5' });
    response.end();
  } else {
    response.statusCode = path === 'status' ? size : 404;
    response.end();
  }
});
server.on('checkContinue', (request, response) => {
  if (request.url === '/status/403') {
    response.statusCode = 403;
    response.end();
  } else {
    response.writeContinue();
    server.emit('request', request, response);
  }
});
server.listen(0, '127.0.0.1', () => {
  writeFileSync(process.argv[2] + '.part', `${server.address().port}\n`);
  renameSync(process.argv[2] + '.part', process.argv[2]);
});
