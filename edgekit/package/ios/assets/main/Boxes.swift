import Foundation

/// A grid of places: of each cell one, or one for each anchor's width and height.
struct Level {
  let rows: Int
  let columns: Int
  let stride: Double
  let anchors: [[Double]]

  init(_ rows: Int, _ columns: Int, _ stride: Double, _ anchors: [[Double]]) {
    self.rows = rows
    self.columns = columns
    self.stride = stride
    self.anchors = anchors
  }
}

/// A box x1, y1, x2, y2 in pixels of the input.
struct Found {
  let box: [Double]
  let index: Int
  let score: Double
}

/// From a detector's outputs to boxes: the steps of the contract, and the best of those that overlap.
struct Boxes {
  let form: String
  let scores: String
  let objectness: String
  let columns: [Int]
  let channelsFirst: Bool
  let numbers: Int
  let bins: Int
  let classes: Int?
  let background: Int?
  let unit: [Double]
  let variances: [Double]
  let levels: [Level]
  let offset: Double
  let anchorsFirst: Bool
  let confidence: Double
  let overlap: Double
  let most: Int
  let candidates: Int

  private struct Place {
    let x: Double
    let y: Double
    let stride: Double
    var width: Double = 0
    var height: Double = 0
  }

  /// Boxes of the outputs that are read, the highest score first.
  func found(_ parts: [[Float]]) -> [Found] {
    let rows = table(parts)
    let places = levels.flatMap { grid($0) }
    let all = scored(rows).enumerated().flatMap { place, row -> [Found] in
      let kept = row.indices.filter { row[$0] >= confidence }
      if kept.isEmpty { return [] }
      let one = levels.isEmpty ? box(rows[place]) : box(rows[place], places[place])
      return kept.map { Found(box: one, index: $0, score: row[$0]) }
    }
    return best(all)
  }

  /// The numbers of each place, of outputs side by side.
  private func table(_ parts: [[Float]]) -> [[Double]] {
    let joined = (0..<parts[0].count / columns[0]).map { row in
      zip(parts, columns).flatMap { part, width in
        part[(row * width)..<((row + 1) * width)].map(Double.init)
      }
    }
    guard channelsFirst else { return joined }
    return joined[0].indices.map { place in joined.map { $0[place] } }
  }

  private func grid(_ level: Level) -> [Place] {
    let cells = (0..<level.rows * level.columns).map { cell in
      Place(
        x: (Double(cell % level.columns) + offset) * level.stride,
        y: (Double(cell / level.columns) + offset) * level.stride, stride: level.stride)
    }
    func anchored(_ cell: Place, _ one: [Double]) -> Place {
      Place(x: cell.x, y: cell.y, stride: cell.stride, width: one[0], height: one[1])
    }
    if level.anchors.isEmpty { return cells }
    if anchorsFirst {
      return level.anchors.flatMap { one in cells.map { anchored($0, one) } }
    }
    return cells.flatMap { cell in level.anchors.map { anchored(cell, $0) } }
  }

  private func box(_ row: [Double]) -> [Double] {
    let corners =
      form == "corners" ? Array(row.prefix(4)) : around(row[0], row[1], row[2], row[3])
    return corners.enumerated().map { side, value in value * unit[side % 2] }
  }

  private func box(_ row: [Double], _ at: Place) -> [Double] {
    switch form {
    case "sides":
      return sides(at) { max(row[$0], 0) * at.stride }
    case "distributions":
      return sides(at) { mean(Array(row[($0 * bins)..<(($0 + 1) * bins)])) * at.stride }
    case "cells":
      return around(
        at.x + row[2] * at.stride, at.y + row[3] * at.stride, row[0] * at.stride,
        row[1] * at.stride)
    case "offsets":
      let moved = (0..<4).map { row[$0] * variances[$0] }
      return around(
        at.x + moved[0] * at.width, at.y + moved[1] * at.height,
        at.width * exp(min(moved[2], 10)), at.height * exp(min(moved[3], 10)))
    default:
      let given = (0..<4).map { sigmoid(row[$0]) * 2 }
      return around(
        at.x + (given[0] - 1) * at.stride, at.y + (given[1] - 1) * at.stride,
        given[2] * given[2] * at.width, given[3] * given[3] * at.height)
    }
  }

  /// The scores of each place, without the background's.
  private func scored(_ rows: [[Double]]) -> [[Double]] {
    var found = scores == "listed" ? listed(rows) : rows.map { own($0) }
    if scores == "peaks" { found = peaks(found, levels[0]) }
    guard let background else { return found }
    return found.map { row in row.indices.filter { $0 != background }.map { row[$0] } }
  }

  private func own(_ row: [Double]) -> [Double] {
    let own = ready(Array(row[(numbers + (objectness.isEmpty ? 0 : 1))...]))
    if objectness.isEmpty { return own }
    let there = ready([row[numbers]])[0]
    return own.map { objectness == "root" ? (there * $0).squareRoot() : there * $0 }
  }

  private func ready(_ row: [Double]) -> [Double] {
    switch scores {
    case "probabilities": return row
    case "softmax": return softmax(row)
    default: return row.map { sigmoid($0) }
    }
  }

  /// Scores of boxes that come with the number of their class.
  private func listed(_ rows: [[Double]]) -> [[Double]] {
    let count = classes ?? (rows.map { Int($0[5]) }.max() ?? 0) + 1
    return rows.map { row in (0..<count).map { $0 == Int(row[5]) ? row[4] : 0 } }
  }

  /// A heatmap where the highest of their 3x3 neighbors alone remain.
  private func peaks(_ heat: [[Double]], _ level: Level) -> [[Double]] {
    heat.enumerated().map { place, row in
      let (y, x) = (place / level.columns, place % level.columns)
      return row.enumerated().map { index, value in
        let higher = (max(0, y - 1)...min(level.rows - 1, y + 1)).contains { v in
          (max(0, x - 1)...min(level.columns - 1, x + 1)).contains { u in
            heat[v * level.columns + u][index] > value
          }
        }
        return higher ? 0 : value
      }
    }
  }

  /// Non-maximum suppression within each class, by decreasing score; 1 suppresses nothing.
  private func best(_ found: [Found]) -> [Found] {
    let span = (found.flatMap { $0.box }.map { abs($0) }.max() ?? 0) * 2 + 1
    let order = found.indices.sorted { one, other in
      found[one].score == found[other].score
        ? one < other : found[one].score > found[other].score
    }
    var left = order.prefix(candidates).map { place in
      (one: found[place], apart: found[place].box.map { $0 + span * Double(found[place].index) })
    }
    var kept: [Found] = []
    while let first = left.first, kept.count < most {
      kept.append(first.one)
      left = left.dropFirst().filter { overlap >= 1 || shared(first.apart, $0.apart) <= overlap }
    }
    return kept
  }

  /// Intersection over union of two boxes.
  private func shared(_ a: [Double], _ b: [Double]) -> Double {
    let width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    let height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    let areas = (b[2] - b[0]) * (b[3] - b[1]) + (a[2] - a[0]) * (a[3] - a[1])
    return width * height / max(areas - width * height, 1e-12)
  }

  private func around(_ x: Double, _ y: Double, _ width: Double, _ height: Double) -> [Double] {
    [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
  }

  /// Corners by the distances (left, top, right, bottom) from a place.
  private func sides(_ at: Place, _ side: (Int) -> Double) -> [Double] {
    [at.x - side(0), at.y - side(1), at.x + side(2), at.y + side(3)]
  }

  /// The mean of a distribution over 0, 1, 2, ... that is given by logits.
  private func mean(_ logits: [Double]) -> Double {
    softmax(logits).enumerated().reduce(0) { $0 + $1.element * Double($1.offset) }
  }

  private func softmax(_ row: [Double]) -> [Double] {
    let most = row.max() ?? 0
    let powers = row.map { exp($0 - most) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }

  private func sigmoid(_ x: Double) -> Double { 0.5 + 0.5 * tanh(x / 2) }
}
