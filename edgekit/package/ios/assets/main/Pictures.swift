import CoreGraphics

extension CGImage {
  /// The pixels of an image in sRGB. Raises `ModelError` where it cannot be drawn.
  public func pixels() throws -> Pixels {
    var colors = [UInt32](repeating: 0, count: width * height)
    let order = CGBitmapInfo.byteOrder32Little.rawValue
    let drawn = colors.withUnsafeMutableBytes { bytes -> Bool in
      let context = CGContext(
        data: bytes.baseAddress, width: width, height: height, bitsPerComponent: 8,
        bytesPerRow: width * 4, space: CGColorSpace(name: CGColorSpace.sRGB)!,
        bitmapInfo: order | CGImageAlphaInfo.premultipliedFirst.rawValue)
      context?.draw(self, in: CGRect(x: 0, y: 0, width: width, height: height))
      return context != nil
    }
    guard drawn else { throw ModelError.input("the picture cannot be drawn") }
    return try Pixels(argb: colors, width: width, height: height)
  }
}
