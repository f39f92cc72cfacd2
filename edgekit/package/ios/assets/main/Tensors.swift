import Foundation

/// Raised on purpose: by a sample, by a file, or by the runtime.
public enum ModelError: Error, Equatable {
  case input(String)
  case files(String)
  case runtime(String)
}

/// A tensor as the model stores it: `real = (stored - zeroPoint) * scale` where it has a scale.
struct Tensor {
  let name: String
  let shape: [Int]
  let type: String
  var scale: Float? = nil
  var zeroPoint: Int = 0

  var size: Int { shape.reduce(1, *) }

  /// Whole numbers of real ones, rounded half to even.
  func stored(_ values: [Float]) throws -> [Int64] {
    let (least, most) = try limits()
    return try values.map { value in
      if let scale {
        let steps = Double((value / scale).rounded(.toNearestOrEven)) + Double(zeroPoint)
        return Int64(min(max(steps, least), most))
      }
      guard Double(value) >= least, Double(value) <= most else {
        throw ModelError.input("\"\(name)\" takes \(type), and not \(value)")
      }
      return Int64(value)
    }
  }

  /// Real numbers of stored ones.
  func real(_ values: [Float]) -> [Float] {
    guard let scale else { return values }
    return values.map { ($0 - Float(zeroPoint)) * scale }
  }

  private func limits() throws -> (Double, Double) {
    switch type {
    case "int64": return (-9.2e18, 9.2e18)
    case "int32": return (-2147483648, 2147483647)
    case "int16": return (-32768, 32767)
    case "int8": return (-128, 127)
    case "uint8": return (0, 255)
    case "bool": return (0, 1)
    default: throw ModelError.runtime("no whole type: \(type)")
    }
  }
}

/// From raw values to those of training: `(value / scale - mean) / std` by channel.
struct Steps {
  let scale: Float
  let mean: [Float]
  let std: [Float]
  let color: String
  let resize: String
  let fit: String
}

/// The place of a picture in an input: `x * scale + offset`, for x in its pixels.
struct Placement {
  let width: Int
  let height: Int
  let left: Int
  let top: Int
  let across: Double
  let down: Double

  /// Corners in the picture's own pixels, of those in the input.
  func back(_ box: [Double]) -> [Double] {
    box.enumerated().map { side, value in
      side % 2 == 0 ? (value - Double(left)) / across : (value - Double(top)) / down
    }
  }
}

/// An input: the tensor, its shape in the network (channels first), and the steps before it.
struct Input {
  let tensor: Tensor
  let network: [Int]
  let channelsLast: Bool
  let steps: Steps

  /// Prepared numbers of raw ones, channels first.
  func prepared(_ numbers: [Float]) throws -> [Float] {
    guard numbers.count == tensor.size else {
      throw ModelError.input(
        "\"\(tensor.name)\" takes \(tensor.size) numbers, got \(numbers.count)")
    }
    let values = Preprocess.normalize(numbers, self)
    guard values.allSatisfy({ $0.isFinite }) else {
      throw ModelError.input("\"\(tensor.name)\" holds a number that is not finite")
    }
    return values
  }

  /// Prepared numbers of a picture.
  func prepared(_ picture: Pixels) throws -> [Float] {
    try prepared(Preprocess.pixels(picture, self))
  }

  /// Whole numbers, such as those of tokens, as numbers.
  func tokens(_ numbers: [Int]) throws -> [Float] {
    guard numbers.count == tensor.size else {
      throw ModelError.input(
        "\"\(tensor.name)\" takes \(tensor.size) whole numbers, got \(numbers.count)")
    }
    let exact = 1 << 24  // 32-bit numbers hold each whole one up to it
    if let one = numbers.first(where: { !(-exact...exact).contains($0) }) {
      throw ModelError.input("\"\(tensor.name)\" takes numbers up to \(exact), got \(one)")
    }
    return numbers.map(Float.init)
  }

  /// Prepared numbers in the order of the file.
  func arranged(_ values: [Float]) -> [Float] {
    channelsLast ? Preprocess.channelsLast(values, network[0]) : values
  }
}

/// A picture's pixels in sRGB, as `0xAARRGGBB`, row by row; transparency is not looked at.
public struct Pixels {
  public let argb: [UInt32]
  public let width: Int
  public let height: Int

  public init(argb: [UInt32], width: Int, height: Int) throws {
    guard width > 0, height > 0, argb.count == width * height else {
      throw ModelError.input("\(argb.count) pixels are not \(width) x \(height)")
    }
    self.argb = argb
    self.width = width
    self.height = height
  }
}
