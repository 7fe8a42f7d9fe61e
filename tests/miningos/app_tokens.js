/* SPDX-License-Identifier: MIT */
/*
 * app_tokens.js: users, roles and tokens of the app-node. A token is bound to the addresses that were
 * seen when it was made; its life is seconds. In JWT mode the server's memory has the addresses, so a
 * restart (a new object) ends all tokens, and a renewed one is revoked at once.
 */
'use strict'

const crypto = require('node:crypto')

const AREAS = ['miner', 'container', 'minerpool', 'powermeter', 'temp', 'electricity', 'features', 'revenue', 'actions', 'users',
	'production', 'alerts', 'cabinets', 'comments', 'explorer', 'inventory', 'reporting', 'settings', 'tickets',
	'power_spot_forecast', 'pool_config', 'pool_config_approve', 'work_order']
const all = (rights) => AREAS.map((a) => `${a}:${rights}`)

const ROLES = {
	admin: all('rw'),
	site_manager: all('rw').filter((p) => !p.startsWith('users')),
	site_operator: ['miner:rw', 'container:rw', 'minerpool:rw', 'actions:rw', 'alerts:r', 'comments:rw', 'settings:r'],
	field_operator: ['miner:rw', 'actions:rw', 'comments:rw'],
	pool_manager: ['miner:rw', 'minerpool:rw', 'actions:rw', 'pool_config:rw'],
	reporting_tool_manager: ['reporting:rw', 'miner:r'],
	repair_technician: ['miner:r', 'comments:rw', 'inventory:rw'],
	read_only_user: all('r')
}

const TTL_LEAST = 5
const TTL_MOST = 86400

const base64 = (v) => Buffer.from(typeof v === 'string' ? v : JSON.stringify(v)).toString('base64url')

class Tokens {
	/* ttl: seconds; mode: jwt or database; now: ms, a clock that may be wrong. */
	constructor({ ttl = 300, mode = 'jwt', now = () => Date.now() } = {}) {
		if (ttl < TTL_LEAST || ttl > TTL_MOST)
			throw new Error(`ttl: ${TTL_LEAST} to ${TTL_MOST}`)
		Object.assign(this, { ttl, mode, now, secret: crypto.randomBytes(32), users: new Map(), tokens: new Map(), made: 0 })
	}

	addUser(email, roles) {
		this.users.set(email, { userId: this.users.size + 1, email, roles })
	}

	make(user, roles, ips) {
		const jti = crypto.randomUUID()
		const iat = Math.floor(this.now() / 1000)
		const exp = iat + this.ttl
		let token = `pub:api:${jti}-${user.userId}-roles${roles.map((r) => `:${r}`).join('')}`
		if (this.mode === 'jwt') {
			const text = [{ alg: 'HS256', typ: 'JWT' },
				{ sub: user.userId, roles, pfx: 'pub', scope: 'api', jti, iat, exp }].map(base64).join('.')
			token = `${text}.${crypto.createHmac('sha256', this.secret).update(text).digest('base64url')}`
		}
		this.tokens.set(token, { user, roles, ips, ends: this.now() + this.ttl * 1000 })
		this.made++
		return token
	}

	/* What is behind the Authorization header, or null. */
	find(header, ips) {
		const [, token] = /^Bearer (\S+)$/.exec(header || '') || []
		const entry = this.tokens.get(token)
		if (entry === undefined || entry.ends <= this.now() || !entry.ips.some((ip) => ips.includes(ip)))
			return null
		const permissions = [...new Set(entry.roles.flatMap((r) => ROLES[r]))]
		return { ...entry, token, permissions, superAdmin: entry.roles.includes('admin') }
	}

	/* ROLES is not taken over from the old token: nothing is none. TTL is ignored. */
	renew(session, { roles = [], ips = [] }, seen) {
		if (!Array.isArray(roles) || roles.some((r) => !session.user.roles.includes(r)))
			throw new Error('ERR_ROLES_INVALID')
		if (this.mode === 'jwt')
			this.tokens.delete(session.token)
		return this.make(session.user, roles, [...new Set([...session.ips, ...seen, ...ips])])
	}

	revokeAll() {
		this.tokens.clear()
	}
}

const writes = (session) => session.superAdmin || session.permissions.some((p) => /^actions:\w*w/.test(p))

module.exports = { AREAS, ROLES, Tokens, writes }
