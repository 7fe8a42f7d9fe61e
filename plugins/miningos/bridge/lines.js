// SPDX-License-Identifier: MIT
// Splits what a stream brings into lines, however it was cut into pieces.
'use strict'

// Calls online(Buffer) for each line, and onlong() instead of a line of more than MAX bytes.
module.exports = function readLines (stream, max, online, onlong) {
  let pieces = []
  let size = 0

  stream.on('data', (chunk) => {
    for (let at = 0; at < chunk.length && !stream.destroyed;) {
      const end = chunk.indexOf(10, at)
      const piece = chunk.subarray(at, end < 0 ? chunk.length : end)

      at += piece.length + 1
      size += piece.length
      if (size > max) return onlong()
      pieces.push(piece)
      if (end < 0) return
      const line = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces, size)
      pieces = []
      size = 0
      online(line)
    }
  })
}
