import Foundation

/// From outputs to labels, classes of places, or boxes.
enum Postprocess {
  /// Probabilities of one row of scores, in double precision.
  static func softmax(_ scores: [Float]) -> [Double] {
    let most = Double(scores.max() ?? 0)
    let powers = scores.map { exp(Double($0) - most) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }

  /// Probabilities that the file computed itself.
  static func ready(_ scores: [Float]) -> [Double] { scores.map(Double.init) }

  /// The place of the greatest of `count` values, `step` apart; the first of equal ones.
  static func highest(_ values: [Float], first: Int = 0, step: Int = 1, count: Int? = nil) -> Int {
    var best = 0
    for place in 1..<max(1, count ?? values.count)
    where values[first + place * step] > values[first + best * step] {
      best = place
    }
    return best
  }

  /// The class of each place of an output whose classes are along `axis`.
  static func classes(_ values: [Float], _ shape: [Int], _ axis: Int) -> [Int] {
    let count = shape[axis]
    let step = shape[(axis + 1)...].reduce(1, *)
    return (0..<values.count / count).map { place in
      let first = place / step * step * count + place % step
      return highest(values, first: first, step: step, count: count)
    }
  }

  /// Each box with the place and the value of its likeliest class.
  static func boxes(
    _ boxes: [Float], width: Int, scores: [Float], columns: Int, skip: Int
  ) -> [(box: [Float], index: Int, score: Float)] {
    (0..<boxes.count / width).map { place in
      let start = place * columns + skip
      let index = highest(scores, first: start, count: columns - skip)
      let box = Array(boxes[(place * width)..<(place * width + 4)])
      return (box: box, index: index, score: scores[start + index])
    }
  }
}
