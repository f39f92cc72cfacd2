import Foundation

/// A piece around or of a text: a token of its own, or a whole text (`sequence` 0 or 1).
struct Piece {
  let token: Int
  let sequence: Int
  let type: Int
}

/// Rules from texts to tokens, as `tokenizer.json` and the contract have them.
struct Rules {
  let length: Int
  let single: [Piece]
  let pair: [Piece]
  let added: [String: Int]
  let unknown: String
  let prefix: String
  let longestWord: Int
  let clean: Bool
  let chinese: Bool
  let stripAccents: Bool
  let lowercase: Bool
  let padId: Int
  let padType: Int
  let padLeft: Bool
  let cutLeft: Bool
}

/// BERT's tokenizer: words and marks, cut into the longest pieces of the vocabulary.
struct WordPiece {
  private let numbers: [[Unicode.Scalar]: Int]  // not of String, whose equality is canonical
  private let prefix: [Unicode.Scalar]
  private let rules: Rules
  private let unknown: Int
  private let added: [(token: [Unicode.Scalar], number: Int)]

  /// `vocabulary` has a token a line. Raises `ModelError` where it lacks the unknown one.
  init(vocabulary: Data, rules: Rules) throws {
    let tokens = String(decoding: vocabulary, as: UTF8.self).unicodeScalars.split(
      separator: "\n", omittingEmptySubsequences: false)
    let pairs = tokens.enumerated().map { (Array($1), $0) }
    numbers = Dictionary(pairs, uniquingKeysWith: { first, _ in first })
    guard let unknown = numbers[Array(rules.unknown.unicodeScalars)] else {
      throw ModelError.files("the vocabulary has no \(rules.unknown)")
    }
    self.rules = rules
    prefix = Array(rules.prefix.unicodeScalars)
    self.unknown = unknown
    added = rules.added
      .map { (token: Array($0.key.unicodeScalars), number: $0.value) }
      .sorted { $0.token.count > $1.token.count }
  }

  /// Rows of the contract's length. Raises `ModelError` where no text has room.
  func encode(_ text: String, _ second: String? = nil) throws -> (
    ids: [Int], mask: [Int], types: [Int]
  ) {
    let pieces = second == nil ? rules.single : rules.pair
    let room = rules.length - pieces.filter { $0.token >= 0 }.count
    guard room >= 0 else {
      throw ModelError.input("The length \(rules.length) has no room for a text")
    }
    let texts = cut(tokens(text), second.map(tokens), room)
    let rows = pieces.map { $0.token >= 0 ? [$0.token] : texts[$0.sequence] }
    let types = zip(pieces, rows).flatMap { piece, row in row.map { _ in piece.type } }
    let ids = rows.flatMap { $0 }
    return (
      padded(ids, rules.padId), padded(ids.map { _ in 1 }, 0), padded(types, rules.padType)
    )
  }

  private func padded(_ row: [Int], _ fill: Int) -> [Int] {
    let missing = [Int](repeating: fill, count: rules.length - row.count)
    return rules.padLeft ? missing + row : row + missing
  }

  /// Tokens within `room`: of a pair, the longer one is cut.
  private func cut(_ one: [Int], _ two: [Int]?, _ room: Int) -> [[Int]] {
    guard let two else { return [kept(one, room)] }
    if one.count + two.count <= room { return [one, two] }
    var short = min(one.count, two.count)
    var long = short > room ? short : max(short, room - short)
    if short + long > room {
      short = room / 2
      long = short + room % 2
    }
    return one.count > two.count
      ? [kept(one, long), kept(two, short)] : [kept(one, short), kept(two, long)]
  }

  private func kept(_ row: [Int], _ count: Int) -> [Int] {
    Array(rules.cutLeft ? row.suffix(count) : row.prefix(count))
  }

  /// Added tokens stand for themselves; what is between them is cut into words.
  private func tokens(_ text: String) -> [Int] {
    let points = Array(text.unicodeScalars)
    var found: [Int] = []
    var start = 0
    var at = 0
    while at < points.count {
      guard let one = added.first(where: { points[at...].starts(with: $0.token) }) else {
        at += 1
        continue
      }
      found += words(points[start..<at]).flatMap(pieces) + [one.number]
      at += one.token.count
      start = at
    }
    return found + words(points[start...]).flatMap(pieces)
  }

  private func words(_ points: ArraySlice<Unicode.Scalar>) -> [[Unicode.Scalar]] {
    var found: [[Unicode.Scalar]] = []
    var word: [Unicode.Scalar] = []
    for point in normalized(points) {
      let apart = point.properties.isWhitespace || Self.mark(point)
      if apart && !word.isEmpty {
        found.append(word)
        word = []
      }
      if Self.mark(point) {
        found.append([point])
      } else if !apart {
        word.append(point)
      }
    }
    return word.isEmpty ? found : found + [word]
  }

  private func normalized(_ points: ArraySlice<Unicode.Scalar>) -> [Unicode.Scalar] {
    var clean: [Unicode.Scalar] = []
    for point in points where !(rules.clean && Self.dropped(point)) {
      if rules.clean && point.properties.isWhitespace {
        clean.append(" ")
      } else if rules.chinese && Self.ideograph(point) {
        clean += [" ", point, " "]
      } else {
        clean.append(point)
      }
    }
    if rules.stripAccents {
      var text = String.UnicodeScalarView()
      text.append(contentsOf: clean)
      clean = String(text).decomposedStringWithCanonicalMapping.unicodeScalars.filter {
        $0.properties.generalCategory != .nonspacingMark
      }
    }
    guard rules.lowercase else { return clean }
    return clean.flatMap { Array($0.properties.lowercaseMapping.unicodeScalars) }
  }

  private func pieces(_ word: [Unicode.Scalar]) -> [Int] {
    if word.count > rules.longestWord { return [unknown] }
    var found: [Int] = []
    var start = 0
    while start < word.count {
      var end = word.count
      var number: Int?
      while end > start {
        number = numbers[(start > 0 ? prefix : []) + word[start..<end]]
        if number != nil { break }
        end -= 1
      }
      guard let number else { return [unknown] }
      found.append(number)
      start = end
    }
    return found
  }

  private static let ideographs: [ClosedRange<UInt32>] = [
    0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F,
    0x2B740...0x2B81F, 0x2B920...0x2CEAF, 0xF900...0xFAFF, 0x2F800...0x2FA1F,
  ]

  private static func ideograph(_ point: Unicode.Scalar) -> Bool {
    ideographs.contains { $0.contains(point.value) }
  }

  private static func dropped(_ point: Unicode.Scalar) -> Bool {
    if point.value == 0 || point.value == 0xFFFD { return true }
    if point == "\t" || point == "\n" || point == "\r" { return false }
    switch point.properties.generalCategory {
    case .control, .format, .privateUse: return true
    default: return false
    }
  }

  private static func mark(_ point: Unicode.Scalar) -> Bool {
    if point.isASCII {
      return (33...126).contains(point.value) && !point.properties.isAlphabetic
        && !("0"..."9").contains(point)
    }
    switch point.properties.generalCategory {
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
      .initialPunctuation, .finalPunctuation, .otherPunctuation:
      return true
    default: return false
    }
  }
}
