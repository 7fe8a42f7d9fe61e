/* SPDX-License-Identifier: MIT */
/*
 * net_socket.js: the plain-socket transport of the bridge (plugins/miningos/bridge/README): a server with
 * the key K listens at DIRECTORY/<first 16 digits of K>.sock; a client says {client: <its own key>}, then
 * {id, method, payload} a line, and is answered {id, payload} or {id, code, message}. Payloads are the
 * text of what would be on the real wire, JSON or not.
 *
 * Both transports offer the same: key and clientKey (hex), serve(), request(), close().
 */
'use strict'

const crypto = require('node:crypto')
const fs = require('node:fs')
const net = require('node:net')
const path = require('node:path')

const MOST_LINE = 512 << 20

class TransportError extends Error {
	constructor(code, message) {
		super(message || code)
		this.code = code
	}
}

const socketOf = (directory, key) => path.join(directory, `${key.slice(0, 16)}.sock`)

/* Calls ONLINE for each line of STREAM, whatever pieces it comes in. */
function lines(stream, online) {
	let pieces = []
	let size = 0
	stream.on('data', (data) => {
		let from = 0
		for (let at = data.indexOf(10); at >= 0; at = data.indexOf(10, from)) {
			pieces.push(data.subarray(from, at))
			online(Buffer.concat(pieces))
			pieces = []
			size = 0
			from = at + 1
		}
		pieces.push(data.subarray(from))
		size += data.length - from
		if (size > MOST_LINE)
			stream.destroy(new Error('a line without end'))
	})
}

function strayRequest({ id, method, payload }) {
	const good = Number.isSafeInteger(id) && id >= 0 && typeof method === 'string' && typeof payload === 'string'
	return good ? [] : [`a request that is none: ${JSON.stringify({ id, method, payload }).slice(0, 200)}`]
}

class SocketNet {
	constructor({ directory, seed = crypto.randomBytes(32) }) {
		this.directory = directory
		this.key = crypto.createHash('sha256').update(seed).update('rpc').digest('hex')
		this.clientKey = crypto.createHash('sha256').update(seed).update('dht').digest('hex')
		this.connections = new Set()
		this.pool = new Map()
		this.refuses = () => false /* of a client key: the firewall */
		this.strays = [] /* what came that is against the framing */
	}

	/* HANDLER(method, payload, clientKey) resolves to the payload of the answer, or throws a
	 * TransportError. */
	async serve(handler) {
		const file = socketOf(this.directory, this.key)
		fs.rmSync(file, { force: true })
		this.server = net.createServer((socket) => this.accept(socket, handler))
		await new Promise((resolve, reject) => this.server.once('error', reject).listen(file, resolve))
	}

	accept(socket, handler) {
		let peer = null
		this.connections.add(socket)
		socket.on('error', () => {})
		socket.on('close', () => this.connections.delete(socket))
		const say = (answer) => socket.writable && socket.write(JSON.stringify(answer) + '\n')
		lines(socket, async (line) => {
			let request
			try {
				request = JSON.parse(line)
			} catch (e) {
				socket.destroy()
				return
			}
			if (peer === null) {
				peer = request.client
				if (this.refuses(peer))
					socket.destroy()
				return
			}
			this.strays.push(...strayRequest(request))
			try {
				const payload = await handler(request.method, Buffer.from(request.payload), peer)
				if (request.id !== 0)
					say({ id: request.id, payload: payload.toString() })
			} catch (e) {
				say({ id: request.id, code: e.code || 'REQUEST_ERROR', message: e.message })
			}
		})
	}

	connection(key) {
		let c = this.pool.get(key)
		if (c !== undefined)
			return c
		c = { socket: net.connect(socketOf(this.directory, key)), waiting: new Map(), last: 0 }
		this.pool.set(key, c)
		c.socket.write(JSON.stringify({ client: this.clientKey }) + '\n')
		c.socket.on('error', () => {})
		c.socket.on('close', () => {
			if (this.pool.get(key) === c)
				this.pool.delete(key)
			for (const w of c.waiting.values())
				w.reject(new TransportError('CHANNEL_CLOSED', 'RPC client closed'))
			c.waiting.clear()
		})
		lines(c.socket, (line) => this.take(c, JSON.parse(line)))
		return c
	}

	take(c, answer) {
		const waiter = c.waiting.get(answer.id)
		if (waiter === undefined) {
			this.strays.push(`an answer to no request: ${JSON.stringify(answer).slice(0, 200)}`)
			return
		}
		c.waiting.delete(answer.id)
		if (answer.code !== undefined)
			waiter.reject(new TransportError(answer.code, answer.message))
		else
			waiter.resolve(Buffer.from(answer.payload))
	}

	/* PAYLOAD is bytes; resolves to the answer's. */
	request(key, method, payload, { timeout = 30000 } = {}) {
		const c = this.connection(key)
		const id = ++c.last
		return new Promise((resolve, reject) => {
			const timer = setTimeout(() => {
				/* An answer that comes later is not one to no request. */
				c.waiting.set(id, { resolve: () => {}, reject: () => {} })
				reject(new TransportError('TIMEOUT_EXCEEDED'))
			}, timeout)
			const done = (f) => (v) => {
				clearTimeout(timer)
				f(v)
			}
			c.waiting.set(id, { resolve: done(resolve), reject: done(reject) })
			c.socket.write(JSON.stringify({ id, method, payload: payload.toString() }) + '\n')
		})
	}

	/* Bytes as they are, and what comes back for MS. */
	async raw(key, bytes, ms) {
		const socket = net.connect(socketOf(this.directory, key))
		const got = []
		socket.on('error', () => {})
		socket.on('data', (d) => got.push(d))
		socket.write(bytes)
		await new Promise((resolve) => {
			setTimeout(resolve, ms)
			socket.on('close', resolve)
		})
		socket.destroy()
		return Buffer.concat(got)
	}

	async close() {
		for (const c of this.pool.values())
			c.socket.destroy()
		for (const s of this.connections)
			s.destroy()
		if (this.server !== undefined)
			await new Promise((resolve) => this.server.close(resolve))
		this.server = undefined
	}
}

module.exports = { SocketNet, TransportError, lines, socketOf }
