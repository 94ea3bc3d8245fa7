import CASCore
import Testing

@Suite("Path keys")
struct PathKeyTests {
    /// The last rows are those of a catalog that the reference made: the root catalog of `tiny.example.org`.
    @Test(
        "keys are those of the reference's catalogs",
        arguments: [
            ("/", 338_333_539_836_370_388, 9_098_107_892_288_553_193),
            ("/usr", 4_261_349_461_019_561_853, 8_805_651_796_865_472_228),
            ("/usr/bin", -6_332_405_977_853_062_539, -3_354_531_661_490_446_888),
            ("/usr/bin/env", 7_532_541_761_898_522_367, 6_273_535_160_955_710_267),
            ("/fifo", 1_399_347_314_381_243_017, -5_090_592_496_742_837_825),
            ("/%s0", -7_424_872_451_098_145_440, -8_842_787_620_452_985_531),
            ("/%s0/a1", -5_854_755_630_589_861_106, -1_897_042_579_487_583_430),
            ("/%s0/a1/Größe5", -2_259_149_296_345_315_899, -6_417_845_502_037_479_446),
            ("/%s0/a1/Größe2/bin11/new\nline18", -1_289_579_561_996_068_612, -3_246_281_760_309_702_458),
        ] as [(RepositoryPath, Int64, Int64)])
    func rows(path: RepositoryPath, first: Int64, second: Int64) {
        #expect(path.key == PathKey(first: first, second: second))
    }

    @Test("a path that is not UTF-8 has a key too")
    func notUTF8() {
        let path = RepositoryPath(bytes: Array("/latin".utf8) + [0xE9] + Array(".txt".utf8))
        #expect(path.key == PathKey(first: -8_477_764_549_996_246_866, second: 7_604_163_671_148_204_216))
    }

    @Test("the root has a key of its own, which is not that of having no parent")
    func root() {
        #expect(RepositoryPath.root.key == PathKey(path: [UInt8]().span.bytes))
        #expect(RepositoryPath.root.key != .none)
    }
}
