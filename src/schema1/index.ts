export type { Schema1Signature } from '../spec/schema1.ts';
export {
  type ConversionMode,
  type ConversionOptions,
  type ConvertedImage,
  convertDocument,
  layersToRead,
  type ReadLayer,
} from './convert.ts';
export { type Conversion, type ConverterOptions, convertSchema1, Schema1Converter } from './converter.ts';
export { keyIdOf } from './key.ts';
export { type ReadLayerOptions, readLayer } from './layer.ts';
export { parseSchema1, type Schema1Entry, type Schema1Manifest, type V1History } from './manifest.ts';
export type { LayerContent } from './rules.ts';
export { ephemeralKey, signSchema1 } from './sign.ts';
export { checkSignatures, type Schema1Verdict, type SignatureVerdict, verifySchema1 } from './signature.ts';
export { emptyLayer, type ImageParts, type Schema1Name, type WrittenSchema1, writeSchema1 } from './write.ts';
