import { createSocket } from 'node:dgram'

/** A name server that answers every question for an IPv4 address with its own (RFC 1035 §4). */
const [, , address = ''] = process.argv
const socket = createSocket('udp4')
socket.on('message', (query, { port, address: asker }) => {
  let end = 12
  while (query[end]) end += (query[end] ?? 0) + 1
  const question = query.subarray(12, end + 5)
  const isA = question.readUInt16BE(question.length - 4) === 1
  const header = Buffer.from(query.subarray(0, 12))
  header.writeUInt16BE(0x8180, 2)
  header.writeUInt16BE(isA ? 1 : 0, 6)
  header.fill(0, 8)
  const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, ...address.split('.').map(Number)])
  socket.send(Buffer.concat([header, question, ...(isA ? [answer] : [])]), port, asker)
})
socket.bind(53, address)
