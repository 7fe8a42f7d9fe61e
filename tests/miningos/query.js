/* SPDX-License-Identifier: MIT */
/*
 * query.js: the part of "mongo style" queries that MiningOS's programs send: filters, inclusion and
 * exclusion projections, sort. Small on purpose, and strict: an operator that is not known throws.
 */
'use strict'

/* All values that PATH ("info.container") reaches: arrays on the way are entered. */
function reach(value, parts) {
	if (parts.length === 0)
		return Array.isArray(value) ? [value, ...value] : [value]
	if (Array.isArray(value)) {
		const index = /^\d+$/.test(parts[0]) ? [value[Number(parts[0])]] : []
		return [...value.flatMap((v) => reach(v, parts)),
			...index.flatMap((v) => reach(v, parts.slice(1)))]
	}
	if (value === null || typeof value !== 'object')
		return [undefined]
	return reach(value[parts[0]], parts.slice(1))
}

function same(a, b) {
	return a === b || (a == null && b == null) ||
		(typeof a === 'object' && typeof b === 'object' && a !== null && b !== null &&
		 JSON.stringify(a) === JSON.stringify(b))
}

const comparable = (a, b) => typeof a === typeof b && (typeof a === 'number' || typeof a === 'string')

const OPERATORS = {
	$eq: (values, operand) => values.some((v) => same(v, operand)),
	$ne: (values, operand) => !values.some((v) => same(v, operand)),
	$gt: (values, operand) => values.some((v) => comparable(v, operand) && v > operand),
	$gte: (values, operand) => values.some((v) => comparable(v, operand) && v >= operand),
	$lt: (values, operand) => values.some((v) => comparable(v, operand) && v < operand),
	$lte: (values, operand) => values.some((v) => comparable(v, operand) && v <= operand),
	$in: (values, operand) => list('$in', operand).some((o) => values.some((v) => same(v, o))),
	$nin: (values, operand) => !list('$nin', operand).some((o) => values.some((v) => same(v, o))),
	$all: (values, operand) => list('$all', operand).every((o) => values.some((v) => same(v, o))),
	$exists: (values, operand) => values.some((v) => v !== undefined) === Boolean(operand),
	$size: (values, operand) => values.some((v) => Array.isArray(v) && v.length === operand),
	$regex: (values, operand, all) => {
		const pattern = new RegExp(operand, all.$options || '')
		return values.some((v) => typeof v === 'string' && pattern.test(v))
	},
	$options: () => true,
	$not: (values, operand) => !holds(values, operand),
	$elemMatch: (values, operand) => values.some((v) => Array.isArray(v) && v.some((e) => matches(e, operand)))
}

function list(name, operand) {
	if (!Array.isArray(operand))
		throw new Error(`${name} needs an array`)
	return operand
}

function holds(values, condition) {
	const isOperators = condition !== null && typeof condition === 'object' && !Array.isArray(condition) &&
		Object.keys(condition).some((k) => k.startsWith('$'))
	if (!isOperators)
		return OPERATORS.$eq(values, condition)
	return Object.entries(condition).every(([name, operand]) => {
		if (!Object.hasOwn(OPERATORS, name))
			throw new Error(`unknown operator ${name}`)
		return OPERATORS[name](values, operand, condition)
	})
}

function matches(document, query) {
	return Object.entries(query || {}).every(([key, condition]) => {
		switch (key) {
		case '$and': return list(key, condition).every((q) => matches(document, q))
		case '$or': return list(key, condition).some((q) => matches(document, q))
		case '$nor': return !list(key, condition).some((q) => matches(document, q))
		default:
			if (key.startsWith('$'))
				throw new Error(`unknown operator ${key}`)
			return holds(reach(document, key.split('.')), condition)
		}
	})
}

function copyPath(from, to, parts) {
	if (from === null || typeof from !== 'object' || !(parts[0] in from))
		return
	if (parts.length === 1) {
		to[parts[0]] = from[parts[0]]
	} else if (Array.isArray(from[parts[0]])) {
		to[parts[0]] = from[parts[0]].map((e) => {
			const part = {}
			copyPath(e, part, parts.slice(1))
			return part
		})
	} else if (from[parts[0]] !== null && typeof from[parts[0]] === 'object') {
		to[parts[0]] = to[parts[0]] || {}
		copyPath(from[parts[0]], to[parts[0]], parts.slice(1))
	}
}

function deletePath(from, parts) {
	if (from === null || typeof from !== 'object')
		return
	if (parts.length === 1)
		delete from[parts[0]]
	else
		deletePath(from[parts[0]], parts.slice(1))
}

/* {a:1,"b.c":1} keeps these, {a:0} leaves out; nothing or {} keeps all. */
function project(document, fields) {
	const entries = Object.entries(fields || {})
	if (entries.length === 0)
		return document
	if (entries.some(([, v]) => v)) {
		const out = {}
		for (const [path, wanted] of entries)
			if (wanted)
				copyPath(document, out, path.split('.'))
		return out
	}
	const out = structuredClone(document)
	for (const [path] of entries)
		deletePath(out, path.split('.'))
	return out
}

/* A sorted copy; {"last.snap.stats.status":1, id:-1}: the first key counts most. */
function sorted(documents, sort) {
	const keys = Object.entries(sort || {}).map(([path, direction]) => [path.split('.'), direction])
	const rank = (v) => (v == null ? 0 : 1)
	return [...documents].sort((a, b) => {
		for (const [parts, direction] of keys) {
			const [x] = reach(a, parts)
			const [y] = reach(b, parts)
			const order = rank(x) - rank(y) || (rank(x) === 0 ? 0 : x < y ? -1 : x > y ? 1 : 0)
			if (order !== 0)
				return order * direction
		}
		return 0
	})
}

module.exports = { matches, project, sorted }
