/* SPDX-License-Identifier: MIT */
/*
 * daemon.js: a real aditd of the build tree for a scenario: a directory of its own, its configuration,
 * its control socket, and its end. $ADIT_BUILD is the build tree, without it the current directory.
 * $ADIT_TEST_KEEP keeps the directory.
 */
'use strict'

const { spawn } = require('node:child_process')
const fs = require('node:fs')
const net = require('node:net')
const os = require('node:os')
const path = require('node:path')

const { lines } = require('./net_socket')
const { WAIT_MS, wait } = require('./suite')

const BUILD = path.resolve(process.env.ADIT_BUILD || '.')
const SOURCE = path.resolve(__dirname, '../..')
const PAYOUT = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080'
/* No header is good enough for a block: about 4 billion hashes. */
const NO_BLOCKS = '1d00ffff'

/* Daemons that run; none outlives this process, whatever ends it. */
const running = new Set()
process.on('exit', () => {
	for (const child of running)
		child.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
	process.on(signal, () => {
		for (const child of running)
			child.kill('SIGTERM')
		setTimeout(() => process.exit(1), 5000)
	})

/* A TCP port on loopback that was free a moment ago. */
async function freePort() {
	const server = net.createServer()
	await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve) })
	const { port } = server.address()
	await new Promise((resolve) => { server.close(resolve) })
	return port
}

/* A connection to the control socket: JSON-RPC 2.0, one object a line each way. */
class Control {
	constructor(file) {
		this.last = 0
		this.waiting = new Map()
		this.onevent = () => {}
		this.socket = net.connect(file)
		this.open = new Promise((resolve, reject) => {
			this.socket.once('connect', resolve)
			this.socket.on('error', reject)
		})
		this.open.catch(() => {})
		this.socket.on('close', () => {
			for (const w of this.waiting.values())
				w.reject(new Error('the control socket was closed'))
		})
		lines(this.socket, (line) => this.take(JSON.parse(line)))
	}

	take(message) {
		const waiter = this.waiting.get(message.id)
		if (waiter === undefined)
			return this.onevent(message.params)
		this.waiting.delete(message.id)
		return message.error ? waiter.reject(new Error(message.error.message)) : waiter.resolve(message.result)
	}

	request(method, params) {
		return new Promise((resolve, reject) => {
			const id = ++this.last
			this.waiting.set(id, { resolve, reject })
			this.socket.write(JSON.stringify({ jsonrpc: '2.0', id, method, ...(params === undefined ? {} : { params }) }) + '\n')
		})
	}

	close() {
		this.socket.destroy()
	}
}

class Daemon {
	constructor() {
		this.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'adit-mosd-'))
		this.config = path.join(this.directory, 'adit.conf')
		this.log = path.join(this.directory, 'log')
		this.socket = path.join(this.directory, 'control.sock')
		this.sections = new Map()
	}

	/* Keys of a section; those of an earlier call stay. After [ROLE] comes `grant = all`, which plugins of
	 * a build tree need that is not root's. */
	configure(section, keys) {
		const before = this.sections.get(section) || (/^(host|node)$|\//.test(section) ? {} : { grant: 'all' })
		this.sections.set(section, { ...before, ...keys })
	}

	/* The embedded chain, a template provider, sv2-server and pool; no miner. */
	async configurePool(poolKeys = {}) {
		this.port = await freePort()
		this.configure('host', {
			state_dir: path.join(this.directory, 'state'), run_dir: this.directory, plugin_dir: path.join(BUILD, 'stage/plugins'), log_level: 'debug'
		})
		this.configure('node', { backend: 'embedded', network: 'regtest', embedded_nbits: NO_BLOCKS })
		const tdp = `unix:${path.join(this.directory, 'tdp.sock')}`
		this.configure('template-provider', { process: 'templates', listen: tdp })
		this.configure('sv2-server', { process: 'mining', listen: `127.0.0.1:${this.port}` })
		this.configure('pool', { process: 'mining', payout: PAYOUT, template_provider: tdp, shares_per_minute: 120, min_difficulty: 1e-6, ...poolKeys })
	}

	configureMiner(name, hashrate, keys = {}) {
		this.configure(`cpu-miner@${name}`, {
			upstream: `127.0.0.1:${this.port}`, authority_key_file: 'sv2-server/authority.pub', user: name, threads: 1, hashrate_limit: hashrate, ...keys
		})
	}

	write() {
		const text = [...this.sections].map(([name, keys]) =>
			`[${name}]\n${Object.entries(keys).map(([k, v]) => `${k} = ${v}\n`).join('')}`).join('\n')
		fs.writeFileSync(this.config, text, { mode: 0o600 })
	}

	async start() {
		this.write()
		const out = fs.openSync(this.log, 'a')
		this.child = spawn(path.join(BUILD, 'host/aditd'), ['-c', this.config], { stdio: ['ignore', out, out] })
		fs.closeSync(out)
		running.add(this.child)
		this.ended = new Promise((resolve) => {
			this.child.once('exit', (code, signal) => {
				running.delete(this.child)
				this.end = { code, signal }
				resolve()
			})
		})
		await wait('the control socket is there', async () => {
			if (this.end !== undefined)
				throw new Error(`aditd ended: ${JSON.stringify(this.end)}: ${this.tail()}`)
			const control = new Control(this.socket)
			await control.open
			this.control = control
			return true
		})
	}

	/* Waits until the node is ready and every enabled role runs. */
	async running() {
		await wait('all roles run', async () => {
			const status = await this.status()
			const bad = status.roles.filter((r) => r.state !== 'running' && r.state !== 'disabled')
			if (status.node.state !== 'ready' || bad.length > 0)
				throw new Error(`node ${status.node.state}, ${bad.map((r) => `${r.name} ${r.state}`).join(', ')}`)
			return true
		})
	}

	tail(bytes = 3000) {
		return fs.readFileSync(this.log, 'utf8').slice(-bytes)
	}

	/* SIGTERM; it has to end with status 0, and no process of it may be left. */
	async stop() {
		if (this.child === undefined || this.end !== undefined)
			return
		const pids = this.descendants()
		this.control.close()
		this.child.kill('SIGTERM')
		const timer = setTimeout(() => this.child.kill('SIGKILL'), WAIT_MS)
		await this.ended
		clearTimeout(timer)
		if (this.end.code !== 0)
			throw new Error(`aditd ended with ${JSON.stringify(this.end)}: ${this.tail()}`)
		await wait('no process outlives aditd', () => pids.every((pid) => !fs.existsSync(`/proc/${pid}`)))
		const log = fs.readFileSync(this.log, 'utf8')
		if (/Sanitizer|runtime error:/.test(log))
			throw new Error(`a sanitizer complained: ${log.slice(log.search(/Sanitizer|runtime error:/) - 300).slice(0, 3000)}`)
		if (!process.env.ADIT_TEST_KEEP)
			fs.rmSync(this.directory, { recursive: true, force: true })
	}

	/* Pids of all processes below aditd. */
	descendants(of = this.child.pid) {
		const children = []
		for (const pid of fs.readdirSync('/proc').filter((n) => /^\d+$/.test(n))) {
			try {
				const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8')
				if (Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === of)
					children.push(Number(pid))
			} catch (e) {
				continue
			}
		}
		return children.flatMap((pid) => [pid, ...this.descendants(pid)])
	}

	/* The Node.js process below aditd: the bridge; 0: none. */
	bridge() {
		return this.descendants().find((pid) => {
			try {
				return /(^|\/)node(js)?$/.test(fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0])
			} catch (e) {
				return false
			}
		}) || 0
	}

	status() {
		return this.control.request('status')
	}

	/* What the first worker of ROLE says of itself. */
	async said(role) {
		const found = (await this.status()).roles.find((r) => r.name === role)
		return (found && found.workers && found.workers[0] && found.workers[0].status) || {}
	}

	async pid(role) {
		const found = (await this.status()).roles.find((r) => r.name === role)
		const worker = found && found.workers && found.workers[0]
		return worker && worker.state === 'running' ? worker.pid : 0
	}

	/* The answer of the first worker of TARGET that answers. */
	async call(target, method, params = {}) {
		const answer = await this.control.request('call', { target, method, params })
		return answer
	}

	/* Each event of TYPES goes to F({type, payload...}). */
	async events(types, f) {
		const control = new Control(this.socket)
		await control.open
		control.onevent = f
		await control.request('events', types.length > 0 ? { types } : undefined)
		return control
	}

	/* Ends the process of ROLE in good order and waits for the next. */
	async restart(role) {
		const before = await this.pid(role)
		await this.control.request('restart', { role })
		await wait(`${role} was restarted`, async () => {
			const now = await this.pid(role)
			return now !== 0 && now !== before
		})
	}

	/* The configuration as it is now. */
	async reload() {
		this.write()
		await this.control.request('reload')
	}

	/* Runs aditctl; {status, text}. This process goes on: what it plays may be asked meanwhile. */
	aditctl(...args) {
		const child = spawn(path.join(BUILD, 'host/aditctl/aditctl'), ['-s', this.socket, ...args], { stdio: ['ignore', 'pipe', 'pipe'], timeout: WAIT_MS })
		let text = ''
		for (const stream of [child.stdout, child.stderr])
			stream.on('data', (d) => { text += d })
		return new Promise((resolve) => { child.on('close', (status) => resolve({ status, text })) })
	}
}

module.exports = { BUILD, Daemon, SOURCE, freePort }
