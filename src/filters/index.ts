export { type Fields, type Filter, parseFilters } from './filter.ts';
