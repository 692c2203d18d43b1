export { type Fields, type Filter, parseFilters } from './filter.ts';
export type { Expression } from './parse.ts';
