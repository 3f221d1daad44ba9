// SPDX-License-Identifier: GPL-2.0-or-later
// The upstream "node": its own HTTP server, rendering JSON as long as the URL says.
// /node/SIZE/ID is fresh for ten minutes, /node/no-store/SIZE/ID may not be stored, POST answers with 204.
// usage: node.js PORT SOCKET
'use strict';
const http = require('http');

function render(id, size) {
  const items = [];
  for (let n = 0; n < Math.max(1, Math.floor(size / 100) - 1); n++)
    items.push({ id: id * 100 + n, name: `item ${n}`, price: (id * 7 + n * 13) % 1000 / 10, tags: ['one', 'two'] });
  const text = JSON.stringify({ page: id, items });
  return Buffer.from(text.length > size ? JSON.stringify({ page: id }).padEnd(size) : text.padEnd(size));
}

function answer(request, response) {
  if (request.method === 'POST') {
    request.resume().on('end', () => response.writeHead(204).end());
    return;
  }
  const parts = request.url.split('?')[0].split('/');
  const body = render(Number(parts.pop()), Number(parts.pop()));
  response.writeHead(200, {
    'Content-Type': 'application/json', 'Content-Length': body.length,
    'Cache-Control': parts.includes('no-store') ? 'no-store' : 'public, max-age=600',
  }).end(body);
}

for (const where of process.argv.slice(2)) {
  const server = http.createServer({ keepAliveTimeout: 75000 }, answer);
  server.listen(where.startsWith('/') ? { path: where } : { port: Number(where), host: '127.0.0.1' });
}
