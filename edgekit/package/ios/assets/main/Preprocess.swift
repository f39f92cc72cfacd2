/// From a sample to the numbers that the model takes, by the arithmetic of training.
enum Preprocess {
  private static let precision = 22  // bits after the point of Pillow's weights
  private static let letterbox: Int32 = 114  // gray around a letterboxed picture

  private struct Weights {
    let first: Int
    let factors: [Int32]
  }

  /// Values of an image (channels, height, width), converted and then fitted into the size.
  static func pixels(_ picture: Pixels, _ input: Input) -> [Float] {
    let how = input.steps
    let planes =
      how.color == "gray"
      ? [gray(picture.argb)] : channels(picture.argb, reversed: how.color == "bgr")
    let (height, width) = (input.network[1], input.network[2])
    let place = placement(picture.width, picture.height, input)
    return planes.flatMap { plane in
      let stretched = stretch(
        plane, picture.width, picture.height, place.width, place.height, how.resize)
      return framed(stretched, place, width, height).map(Float.init)
    }
  }

  /// Where a picture of a size lies in an input.
  static func placement(_ width: Int, _ height: Int, _ input: Input) -> Placement {
    let (rows, columns) = (input.network[1], input.network[2])
    let across = Double(columns) / Double(width)
    let down = Double(rows) / Double(height)
    if input.steps.fit != "letterbox" {
      return Placement(
        width: columns, height: rows, left: 0, top: 0, across: across, down: down)
    }
    let ratio = min(across, down)
    let wide = max(1, Int((Double(width) * ratio).rounded(.toNearestOrEven)))
    let high = max(1, Int((Double(height) * ratio).rounded(.toNearestOrEven)))
    return Placement(
      width: wide, height: high, left: (columns - wide) / 2, top: (rows - high) / 2,
      across: Double(wide) / Double(width), down: Double(high) / Double(height))
  }

  /// A plane in gray of the input's size, where it is smaller.
  private static func framed(
    _ plane: [Int32], _ place: Placement, _ width: Int, _ height: Int
  ) -> [Int32] {
    if place.width == width && place.height == height { return plane }
    return (0..<width * height).map { at in
      let (y, x) = (at / width - place.top, at % width - place.left)
      let inside = (0..<place.height).contains(y) && (0..<place.width).contains(x)
      return inside ? plane[y * place.width + x] : letterbox
    }
  }

  /// `(value / scale - mean) / std` by channel, each step rounded to 32 bits.
  static func normalize(_ values: [Float], _ input: Input) -> [Float] {
    let how = input.steps
    let size = values.count / input.network[0]
    return values.enumerated().map { place, value in
      let channel = place / size
      let center = how.mean[how.mean.count == 1 ? 0 : channel]
      let spread = how.std[how.std.count == 1 ? 0 : channel]
      return (value / how.scale - center) / spread
    }
  }

  /// Numbers (channels, ...) with the channels last.
  static func channelsLast(_ values: [Float], _ channels: Int) -> [Float] {
    let size = values.count / channels
    return values.indices.map { values[($0 % channels) * size + $0 / channels] }
  }

  private static func gray(_ argb: [UInt32]) -> [Int32] {
    argb.map { color in
      let red = Int32(color >> 16 & 255)
      let green = Int32(color >> 8 & 255)
      let blue = Int32(color & 255)
      return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16
    }
  }

  private static func channels(_ argb: [UInt32], reversed: Bool) -> [[Int32]] {
    let shifts: [UInt32] = reversed ? [0, 8, 16] : [16, 8, 0]
    return shifts.map { shift in argb.map { Int32($0 >> shift & 255) } }
  }

  /// One channel in another size, by the arithmetic of Pillow 13, whose order of steps counts.
  private static func stretch(
    _ plane: [Int32], _ width: Int, _ height: Int, _ toWidth: Int, _ toHeight: Int,
    _ kernel: String
  ) -> [Int32] {
    if width == toWidth && height == toHeight { return plane }
    if kernel == "nearest" { return nearest(plane, width, height, toWidth, toHeight) }
    let less = height - toHeight
    if less > 0 && less > 2 * (width - toWidth) {
      let low = down(plane, width, height, toHeight, kernel)
      return across(low, width, toHeight, toWidth, kernel)
    }
    let narrow = across(plane, width, height, toWidth, kernel)
    return down(narrow, toWidth, height, toHeight, kernel)
  }

  private static func nearest(
    _ plane: [Int32], _ width: Int, _ height: Int, _ toWidth: Int, _ toHeight: Int
  ) -> [Int32] {
    let columns = places(width, toWidth)
    let rows = places(height, toHeight)
    return rows.flatMap { row in columns.map { plane[row * width + $0] } }
  }

  private static func places(_ from: Int, _ to: Int) -> [Int] {
    let step = Double(from) / Double(to)
    var at = step * 0.5
    return (0..<to).map { _ in
      defer { at += step }
      return min(from - 1, Int(at))
    }
  }

  private static func across(
    _ plane: [Int32], _ width: Int, _ height: Int, _ toWidth: Int, _ kernel: String
  ) -> [Int32] {
    if width == toWidth { return plane }
    let weights = weights(width, toWidth, kernel)
    return (0..<toWidth * height).map { place in
      let one = weights[place % toWidth]
      let start = place / toWidth * width + one.first
      return sum(one.factors) { plane[start + $0] }
    }
  }

  private static func down(
    _ plane: [Int32], _ width: Int, _ height: Int, _ toHeight: Int, _ kernel: String
  ) -> [Int32] {
    if height == toHeight { return plane }
    let weights = weights(height, toHeight, kernel)
    return (0..<width * toHeight).map { place in
      let one = weights[place / width]
      return sum(one.factors) { plane[(one.first + $0) * width + place % width] }
    }
  }

  private static func sum(_ factors: [Int32], _ value: (Int) -> Int32) -> Int32 {
    var total = Int32(1) << Int32(precision - 1)
    for place in factors.indices { total += value(place) * factors[place] }
    return min(255, max(0, total >> Int32(precision)))
  }

  /// For each place of the result: the first place that it is made of, and fixed-point factors.
  private static func weights(_ from: Int, _ to: Int, _ kernel: String) -> [Weights] {
    let scale = Double(from) / Double(to)
    let spread = max(scale, 1)
    let reach = (kernel == "bicubic" ? 2.0 : 1.0) * spread
    return (0..<to).map { place in
      let center = (Double(place) + 0.5) * scale
      let first = max(0, Int(center - reach + 0.5))
      let count = min(from, Int(center + reach + 0.5)) - first
      let factors = (0..<count).map { step in
        weight((Double(step + first) - center + 0.5) * (1 / spread), kernel)
      }
      let whole = factors.reduce(0, +)
      return Weights(first: first, factors: factors.map { fixed(whole == 0 ? $0 : $0 / whole) })
    }
  }

  private static func fixed(_ factor: Double) -> Int32 {
    let scaled = factor * Double(1 << precision)
    return Int32(scaled < 0 ? scaled - 0.5 : scaled + 0.5)
  }

  private static func weight(_ signed: Double, _ kernel: String) -> Double {
    let x = abs(signed)
    if kernel != "bicubic" { return max(0, 1 - x) }
    let a = -0.5
    if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0
  }
}
